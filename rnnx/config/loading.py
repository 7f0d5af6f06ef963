"""From a YAML file, the environment and flags to a checked ``Config``; every fault with where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from rnnx.config import overrides, reading
from rnnx.config.faults import Faults, Location, report, told
from rnnx.config.names import Keys
from rnnx.config.overrides import Override
from rnnx.config.reading import Document
from rnnx.config.schema import Config


class Setting(NamedTuple):
    """A setting of a merged config by its dotted name, and what set it."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Merged:
    """A config, and each of its settings with what set it."""

    config: Config
    settings: tuple[Setting, ...]


def load(path: str, flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The config of ``merge``."""
    return merge(path, flags, environ).config


def merge(path: str, flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Merged:
    """Read and check a config. ``flags`` are values by dotted name ("training.epochs"), each as it is or an
    Override; they go before the environment (RNNX_TRAINING_EPOCHS), that before the file, and the file before
    the defaults.

    Raises ConfigError with a line for every fault.
    """
    document, faults = reading.read(path), Faults()
    data, origins = document.data, _Origins(document)
    for keys, override in overrides.read(flags or {}, environ or {}, faults):
        with faults.collected():
            overrides.put(data, keys, override)
            origins.add(keys, override)
    data = overrides.without_empty(data)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise report(path, [*faults, *told(error, data, origins.place)]) from None
    if faults:
        raise report(path, faults)
    return Merged(config, tuple(Setting(".".join(k), value, origins.of(k)) for k, value in _leaves(config)))


def _leaves(section: BaseModel, above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every setting that is no section, by its keys."""
    for name in type(section).model_fields:
        value, keys = getattr(section, name), (*above, name)
        yield from _leaves(value, keys) if isinstance(value, BaseModel) else [(keys, value)]


@dataclass
class _Origins:
    """What set the settings: an override, or a line of the file."""

    document: Document
    overrides: dict[Keys, Override] = field(default_factory=dict)

    def add(self, keys: Keys, override: Override) -> None:
        """Note an override; what an earlier one set inside of it is gone."""
        self.overrides = {k: o for k, o in self.overrides.items() if k[: len(keys)] != keys} | {keys: override}

    def of(self, keys: Keys) -> str:
        """All that set a setting, or "default"."""
        depth = self._overridden(keys)
        if depth:
            override = self.overrides[keys[:depth]]
            above = [override.origin] if _has(override.value, keys[depth:]) else []
        else:
            line, known = self.document.line(keys)
            above = [f"{self.document.path}:{line}"] if known == len(keys) else []
        inside = [o.origin for k, o in self.overrides.items() if len(k) > len(keys) and k[: len(keys)] == keys]
        return ", ".join(above + inside) or "default"

    def place(self, location: Location) -> str:
        """Where a fault is: the flag or variable and what of its value, or file, line and name."""
        keys = tuple(map(str, location))
        depth = self._overridden(keys)
        name = ".".join(keys[depth:])
        if depth:
            origin = self.overrides[keys[:depth]].origin
            return f"{origin}: {name}" if name else origin
        line, _ = self.document.line(location)
        return f"{self.document.path}:{line}: {name}" if line else f"{self.document.path}: {name}"

    def _overridden(self, keys: Keys) -> int:
        """How many of the keys lead to the override that replaced what they name, 0 if none did."""
        return next((depth for depth in range(len(keys), 0, -1) if keys[:depth] in self.overrides), 0)


def _has(value: Any, keys: Keys) -> bool:
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True
