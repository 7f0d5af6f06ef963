"""Which settings there are, read from the schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from rnnx.config.schema import Config
from rnnx.errors import ConfigError, did_you_mean

Keys = tuple[str, ...]
Group = type[BaseModel]


def settings(section: Group = Config, start: str = "") -> Iterator[str]:
    """The dotted names of all settings that are no section; a list is one setting."""
    for name in section.model_fields:
        inner = group(section, name)
        yield from settings(inner, f"{start}{name}.") if inner else [start + name]


def group(section: Group, name: str) -> Group | None:
    """The section that a setting is, or None."""
    annotation = section.model_fields[name].annotation
    return None if get_origin(annotation) is list else next(_models(annotation), None)


def known(location: Sequence[Any]) -> list[str]:
    """The settings that there are at a location, also in a list."""
    section: Group = Config
    for key in location:
        if isinstance(key, str):
            section = next(_models(section.model_fields[key].annotation))
    return sorted(section.model_fields)


def keys(name: str, origin: str) -> Keys:
    """The keys of a dotted name; the last may have dots of its own, as the labels of class_weights.

    Raises ConfigError for a name that nothing has.
    """
    section: Group = Config
    parts = name.split(".")
    for depth, key in enumerate(parts, 1):
        if key not in section.model_fields:
            raise ConfigError(f"{origin}: no such setting; {did_you_mean(key, sorted(section.model_fields))}")
        inner = group(section, key)
        if inner is None:
            found = tuple(parts[:depth])
            return found if depth == len(parts) else _inside(section, found, ".".join(parts[depth:]), origin)
        section = inner
    return tuple(parts)


def _inside(section: Group, found: Keys, rest: str, origin: str) -> Keys:
    """The keys of something inside of a setting that is no section, which only a mapping has."""
    annotation = section.model_fields[found[-1]].annotation
    if _has(annotation, dict):
        return (*found, rest)
    setting = ".".join(found)
    whole = f"give the list whole: --set '{setting}=[...]'"
    hint = whole if _has(annotation, list) else f"it is one value: --set {setting}=..."
    raise ConfigError(f"{origin}: {setting} has no settings inside", hint)


def _models(annotation: Any) -> Iterator[Group]:
    """The sections in a type: Config | None, list[Annotated[Source, ...]]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _has(annotation: Any, kind: type) -> bool:
    return get_origin(annotation) is kind or any(_has(part, kind) for part in get_args(annotation))
