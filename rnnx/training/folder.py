"""A run's folder: who may write into it, and of which run it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from pydantic import ValidationError

from rnnx.config import Config
from rnnx.errors import ConfigError, DataError
from rnnx.training import progress

LOCK = ".training.lock"
ANEW = "--force starts anew; or choose another --output"
_FREE = {"output": True, "explain": True, "training": {"save_every"}}  # may change on the way


def claim(config: Config, *, force: bool = False, resume: bool = False) -> Path:
    """The folder, made before anything long starts. Raises ConfigError or DataError."""
    if config.data is None:
        raise ConfigError("the config has no data section", "see configs/quickstart.yaml")
    if config.output is None:
        raise ConfigError("the config names no output folder", "output: runs/NAME, or --output runs/NAME")
    path = Path(config.output)
    try:
        path.mkdir(parents=True, exist_ok=True)
        taken = any(not file.name.startswith(".") for file in path.iterdir())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', error)}", "choose another --output") from None
    begun = (path / progress.FILE).exists()
    if taken and not force and not (resume and (begun or finished(path))):
        hint = "choose another --output, or --force to write into it"
        if begun:
            hint = f"--resume goes on with the run that was interrupted there; else {hint}"
        raise DataError(f"{path} is not empty" + ", and holds no run to go on with" * resume, hint)
    return path


def finished(path: Path) -> bool:
    """Whether a folder holds a run that came to its end."""
    return (path / "metrics.json").exists() and not (path / progress.FILE).exists()


def check_finished(path: Path, config: Config) -> None:
    """Raise ConfigError if the finished run in a folder was of another config."""
    try:
        before = Config.model_validate(yaml.safe_load((path / "config.yaml").read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError):
        return  # of another version, or no longer there: nothing to compare with
    _compare(f"{path} holds a finished run, trained", _flat(_said(before)), _flat(_said(config)))


def fingerprint(config: Config, data: str, device: str) -> str:
    """What the weights depend on; ``data`` is a digest."""
    return json.dumps({"config": _said(config), "data": data, "device": device}, sort_keys=True)


def check_same(begun: str, now: str) -> None:
    """Raise an error that names the first difference between two fingerprints."""
    old, new = json.loads(begun), json.loads(now)
    _compare("the interrupted run was begun", _flat(old["config"]), _flat(new["config"]))
    _compare("the interrupted run was begun", {"device": old["device"]}, {"device": new["device"]})
    if old["data"] != new["data"]:
        raise DataError("the data are not those that the interrupted run was begun with", ANEW)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other trainings out of a folder, as long as this process lives. Raises DataError if one is in it."""
    lock = FileLock(path / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(f"another training is writing into {path}", "wait for it, or choose another --output") from None
    try:
        yield
    finally:
        (path / LOCK).unlink(missing_ok=True)
        lock.release()


def _said(config: Config) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude=_FREE)  # type: ignore[arg-type]  # mypy wants IncEx, which is private


def _compare(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for name in {**old, **new}:
        before, now = old.get(name), new.get(name)
        if before != now:
            raise ConfigError(f"{what} with {name}: {json.dumps(before)}, not {json.dumps(now)}", ANEW)


def _flat(data: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """Values by dotted name."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        found |= _flat(value, f"{start}{name}.") if isinstance(value, dict) else {start + name: value}
    return found
