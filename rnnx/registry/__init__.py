"""One light table: which methods, metrics and views there are, what they need, and where their code is.

Nothing here imports the code: ``--help``, ``methods`` and shell completion read only this table. Another
package adds a method with an entry point in the group ``rnnx.methods`` whose value is a ``Method``, or a metric with
one in ``rnnx.metrics`` whose value is a ``Metric``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, TypeVar

from rnnx.errors import PluginError, UnknownName
from rnnx.registry.kinds import FAMILIES, NEEDS, Method, Metric, View
from rnnx.registry.metrics import METRICS
from rnnx.registry.rows import METHODS
from rnnx.registry.views import VIEWS

__all__ = [
    "FAMILIES",
    "METRICS",
    "NEEDS",
    "VIEWS",
    "Method",
    "Metric",
    "View",
    "blamed",
    "load",
    "method",
    "methods",
    "metric",
    "metrics",
    "view",
]

_Row = TypeVar("_Row", Method, Metric)
_BUILT_IN = {row.name: row for row in METHODS}


def methods() -> dict[str, Method]:
    """All methods by name: the built-in ones, then those of other installed packages that can be loaded."""
    return _all("method", Method, _BUILT_IN)


def metrics() -> dict[str, Metric]:
    """All metrics by name, likewise."""
    return _all("metric", Metric, METRICS)


def _all(kind: str, row: type[_Row], ours: Mapping[str, _Row]) -> dict[str, _Row]:
    """Our rows and those of other packages by name; what is called as one of ours is not heard."""
    from importlib.metadata import entry_points

    found = dict(ours)
    for point in entry_points(group=f"rnnx.{kind}s"):
        try:
            theirs = point.load()
            if not isinstance(theirs, row):
                raise TypeError(f"it is no rnnx.registry.{row.__name__}")
            found.setdefault(theirs.name, theirs)
        except Exception as error:  # whatever another package's code raises must not take ours down
            warnings.warn(f"the {kind} {point.name} of {point.value} is left out: {error}", stacklevel=3)
    return found


def method(name: str) -> Method:
    """The row of one method. Raises UnknownName."""
    if name in _BUILT_IN:  # without looking through the installed packages
        return _BUILT_IN[name]
    table = methods()
    if name not in table:
        raise UnknownName("method", name, table)
    return table[name]


def view(name: str) -> View:
    """The row of one view. Raises UnknownName."""
    if name not in VIEWS:
        raise UnknownName("view", name, VIEWS)
    return VIEWS[name]


def metric(name: str) -> Metric:
    """The row of one metric. Raises UnknownName."""
    if name in METRICS:
        return METRICS[name]
    table = metrics()
    if name not in table:
        raise UnknownName("metric", name, table)
    return table[name]


def load(function: str) -> Callable[..., Any]:
    """The function behind "module:name". Raises PluginError for one of another package that cannot be imported."""
    module, _, name = function.partition(":")
    with blamed(function):
        loaded: Callable[..., Any] = getattr(import_module(module), name)
    return loaded


@contextmanager
def blamed(function: str) -> Iterator[None]:
    """What goes wrong with the code of another package becomes a PluginError that names it; ours is a bug of ours."""
    try:
        yield
    except Exception as error:
        if function.startswith("rnnx."):
            raise
        what, package = _owner(function)
        reason = " ".join(str(error).split()) or type(error).__name__
        hint = f"mend or uninstall {package}, or name others"
        raise PluginError(f"the {what} of the package {package} cannot be used: {reason}", hint) from error


def _owner(function: str) -> tuple[str, str]:
    """Which method or metric a function is, and which package lists it."""
    from importlib.metadata import entry_points

    for kind in ("method", "metric"):
        for point in entry_points(group=f"rnnx.{kind}s"):
            with suppress(Exception):  # it is not this one
                row = point.load()
                if row.function == function:
                    return f"{kind} {row.name}", point.dist.name if point.dist else point.module
    return f"function {function}", function.partition(".")[0].partition(":")[0]
