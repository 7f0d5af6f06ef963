"""What replaces the values of a file: flags and environment variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import yaml

from rnnx.config import names, reading
from rnnx.config.faults import Faults, shown
from rnnx.config.names import Keys
from rnnx.config.schema import Config
from rnnx.errors import ConfigError

PREFIX = "RNNX_"
# Variables that the command line reads itself, see cli/options.py and cli/terminal.py.
OTHERS = frozenset({"RNNX_MODEL", "RNNX_BACKGROUND", "RNNX_DEBUG"})


class Override(NamedTuple):
    """A value that replaces the file's, and what set it ("--seed", "--set model.kind", "RNNX_TRAINING_EPOCHS")."""

    value: Any
    origin: str


def parse(name: str, text: str) -> Any:
    """The value of ``--set name=text``, read as YAML. Raises ConfigError."""
    return _value(f"--set {name}", text, f"--set '{name}=\"", "\"'")


def read(flags: Mapping[str, Any], environ: Mapping[str, str], faults: Faults) -> Iterator[tuple[Keys, Override]]:
    """The settings that are overridden, in the order in which it happens: flags go before the environment.

    A flag's value is an Override, or that of ``--set``. A variable that is empty sets nothing.
    """
    variables = {PREFIX + name.replace(".", "_").upper(): name for name in names.settings()}
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and text and variable not in OTHERS:
            with faults.collected():
                yield _variable(variable, text, variables)
    for name, value in flags.items():
        override = value if isinstance(value, Override) else Override(value, f"--set {name}")
        with faults.collected():
            yield names.keys(name, override.origin), override


def put(data: dict[str, Any], keys: Keys, override: Override) -> None:
    """Set a value in the data of a file. Raises ConfigError where these have no group of settings."""
    *above, last = keys
    for depth, key in enumerate(above, 1):
        inner = data.get(key)
        if not isinstance(inner, dict | None):
            name = ".".join(keys[:depth])
            hint = f"give {name} whole: --set '{name}={{...}}'"
            raise ConfigError(f"{override.origin}: {name} is {shown(inner)}, no group of settings", hint)
        data[key] = dict(inner or {})  # an alias may share it with another section
        data = data[key]
    data[last] = override.value


def without_empty(data: dict[str, Any], section: names.Group = Config) -> dict[str, Any]:
    """The data without headings that have nothing under them, or only comments."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        field = section.model_fields.get(name)
        inner = names.group(section, name) if field else None
        if value is None and field and (inner or isinstance(field.default, list | dict)):
            continue
        found[name] = without_empty(value, inner) if inner and isinstance(value, dict) else value
    return found


def _variable(variable: str, text: str, variables: Mapping[str, str]) -> tuple[Keys, Override]:
    if variable not in variables:
        ending = variable.removeprefix(PREFIX)
        parts = [name for name in variables if name.startswith(f"{variable}_") or name.endswith(f"_{ending}")]
        near = parts[:2] or get_close_matches(variable, [*variables, *OTHERS], n=2, cutoff=0.8)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"{variable}: no such setting{meant}", "name a setting, as RNNX_TRAINING_EPOCHS, or unset it")
    value = _value(variable, text, f"{variable}='\"", "\"'")
    return tuple(variables[variable].split(".")), Override(value, variable)


def _value(origin: str, text: str, before: str, after: str) -> Any:
    """The value of a YAML text; a shell takes it as a text when it stands between ``before`` and ``after``."""
    try:
        return reading.value(text)
    except yaml.YAMLError:
        short = text if len(text) <= 60 else f"{text[:59]}\u2026"
        raise ConfigError(f"{origin}={short}: not a YAML value", f"quote it: {before}{short}{after}") from None
