"""What is wrong with a config, in words: one line a fault, and all faults in one error."""

from __future__ import annotations

import datetime
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from rnnx.config import names
from rnnx.config.kinds import SAID
from rnnx.errors import ConfigError, did_you_mean

Location = tuple[Any, ...]

# In place of pydantic's own words, which speak to programmers.
_WORDS = {
    **dict.fromkeys(("model_type", "dict_type"), "should be a group of settings"),
    "list_type": "should be a list",
    "too_short": "should have more in it",
    "string_type": "should be a text",
    "string_too_short": "should have something in it",
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
}
# What YAML reads as something else than the text that was meant.
_QUOTES = {bool: ": yes, no, true and false need quotes", datetime.date: ": a date needs quotes"}


class Faults(list[ConfigError]):
    """Faults that are told together."""

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep a ConfigError for later."""
        try:
            yield
        except ConfigError as fault:
            self.append(fault)


def report(path: str, faults: Sequence[ConfigError]) -> ConfigError:
    """One fault by itself, several as a list."""
    hint = "the configs in configs/ show every setting"
    if len(faults) == 1:
        return ConfigError(faults[0].message, faults[0].hint or hint)
    whose = path if all(fault.message.startswith(path) for fault in faults) else f"{path} and what overrides it"
    verb = "has" if whose == path else "have"
    return ConfigError("\n".join([f"{whose} {verb} {len(faults)} faults", *(f.message for f in faults)]), hint)


def told(error: ValidationError, data: Any, place: Callable[[Location], str]) -> list[ConfigError]:
    """The faults of ``data``; ``place`` says what set a location, and which setting it is."""
    faults = []
    for fault in error.errors():
        location = _real(fault["loc"], data)
        if fault["type"] == "missing":
            location += fault["loc"][-1:]
        faults.append(ConfigError(f"{place(location)}: {_message(fault, location)}"))
    return faults


def shown(value: Any) -> str:
    """A value in at most 60 characters, as YAML has it."""
    if value is None or isinstance(value, bool | datetime.date):
        return "null" if value is None else str(value).lower()
    text = _brief.repr(value)
    return text if len(text) <= 60 else f"{text[:59]}\u2026"


_brief = reprlib.Repr()
_brief.maxlevel, _brief.maxstring = 2, 60


def _real(location: Location, data: Any) -> Location:
    """The keys of a location that the data have: pydantic also names what it tried, and where it split a value."""
    found: Location = ()
    for key in location:
        keys = data.keys() if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
        same = [k for k in keys if k == key or str(k) == str(key)]
        if same:
            found, data = (*found, same[0]), data[same[0]]
    return found


def _message(fault: Mapping[str, Any], location: Location) -> str:
    kind, given = fault["type"], fault["input"]
    if kind in ("extra_forbidden", "invalid_key"):
        return f"no such setting; {did_you_mean(str(location[-1]), names.known(location[:-1]))}"
    if kind == "missing":
        return "is missing"
    if kind == SAID:
        return str(fault["msg"])
    words = _WORDS.get(kind) or fault["msg"].removeprefix("Input ")
    quotes = next((words for type_, words in _QUOTES.items() if isinstance(given, type_)), "")
    return f"{words[:1].lower()}{words[1:]}, not {shown(given)}{quotes if kind == 'string_type' else ''}"
