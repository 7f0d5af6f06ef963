"""What can go wrong that a user can mend.

    RnnxError
    ├── UsageError        a command line that does not fit together
    ├── UnknownName       a method, model, label, setting or format that does not exist
    ├── ConfigError       a YAML config or a setting with a wrong value
    ├── DataError         a file or a text that cannot be read
    │   └── Unexplained   texts that a method cannot explain, and why
    ├── ModelError        a checkpoint that cannot be loaded
    ├── PluginError       a method or metric of another package that cannot be imported
    └── Unsupported       a method asked of a model that cannot serve it

Each carries one line that says what is wrong, and a hint that says what to do; the command line prints
them as ``error:`` and ``hint:`` and exits with 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class RnnxError(Exception):
    """Base of everything that a user can mend."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(RnnxError):
    """The arguments do not fit together."""


class ConfigError(RnnxError):
    """A config file or a setting has a wrong value."""


class DataError(RnnxError):
    """A file or a text cannot be read."""


class Unexplained(DataError):
    """Texts that a method cannot explain: the reason of each, by its row in the batch. The others it can."""

    def __init__(self, reasons: Mapping[int, str], hint: str = "") -> None:
        super().__init__(next(iter(reasons.values())), hint)
        self.reasons = reasons


class ModelError(RnnxError):
    """A checkpoint cannot be found or loaded."""


class PluginError(RnnxError):
    """A method or metric of another package cannot be imported, or is none."""


class Unsupported(RnnxError):
    """The model does not provide what the method needs."""


class UnknownName(RnnxError):
    """A name that is not in its table, with the nearest ones as the hint."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        known = sorted(known)
        super().__init__(f"unknown {kind} {str(name)!r}", did_you_mean(str(name), known))


def did_you_mean(name: str, known: list[str]) -> str:
    """A hint for a misspelt name: the nearest names, or all of them."""
    if not known:
        return ""
    from difflib import get_close_matches  # costs 4 ms, and only a mistake needs it

    lower = {other.lower(): other for other in known}
    near = [lower[found] for found in get_close_matches(name.lower(), lower, n=2, cutoff=0.6)]
    listed = ", ".join(known)
    return f"did you mean {' or '.join(near)}? (known: {listed})" if near else f"choose from {listed}"
