"""Which method or view is asked for, and whether the model can serve it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from rnnx import registry, settings
from rnnx.errors import PluginError, Unsupported
from rnnx.models import catalog
from rnnx.models.protocols import Classifier
from rnnx.registry import Method, Metric, View

DEFAULTS = ("lrp", "ig", "grad-x-input", "grad", "occlusion")  # the most faithful first, see docs/faithfulness.md

_Row = TypeVar("_Row", Method, Metric)


def usable(table: Mapping[str, _Row]) -> dict[str, _Row]:
    """Of methods or metrics those that can be asked when all are; it is warned of others, of other packages."""
    found = {}
    for name, row in table.items():
        try:
            if not row.function.startswith("rnnx."):
                if isinstance(row, Method):
                    settings.signature(row.function)
                registry.load(row.function)
            found[name] = row
        except PluginError as error:
            warnings.warn(f"{error.message}; left out", stacklevel=2)
    return found


def choose(
    model: Classifier, method: str | None, view: str | None, given: Mapping[str, Any]
) -> tuple[Method, View | None]:
    """The method, by default one that takes the settings that are given, and the view.

    Raises UnknownName; Unsupported for a view of another method, or if the model lacks what is needed.
    """
    seen = None if view is None else registry.view(view)
    row = registry.method(method or (seen.method if seen else _default(model, given)))
    if seen and seen.method != row.name:
        hint = f"leave out --method, or use --method {seen.method}"
        raise Unsupported(f"the view {seen.name} is a view of {seen.method}, not of {row.name}", hint)
    _check_needs(model, seen or row)
    _check_of(model, seen or row, given)
    return row, seen


def _default(model: Classifier, given: Mapping[str, Any]) -> str:
    """The first of the methods that the model can serve that has the settings asked for, and takes their values."""
    rows = [registry.method(name) for name in DEFAULTS]
    rows = [row for row in rows if row.needs <= model.provides] or rows
    if not given:  # which saves reading all their sources
        return rows[0].name
    return max(rows, key=lambda row: settings.fit(row.function, given)).name


def _check_needs(model: Classifier, row: Method | View) -> None:
    """Raise Unsupported, with what would work, if the model lacks what the method needs."""
    require(model, row.needs, row.name)


def require(model: Classifier, needs: frozenset[str], what: str) -> None:
    """Raise Unsupported, with the methods that would work, if the model lacks what something needs."""
    missing = needs - model.provides
    if not missing:
        return
    works = [name for name, other in usable(registry.methods()).items() if other.needs <= model.provides]
    hint = f"methods for this model: {', '.join(works)}"
    if missing & {"attention", "attended"}:
        hint += f"; models with attention: {', '.join(catalog.with_attention())}"
    lacking = " and ".join(registry.NEEDS.get(name, name) for name in sorted(missing))
    fault = f"which {model.name} does not have"
    if "recurrence" not in model.provides:  # it may well have it
        fault = f"which rnnx cannot see in {model.name}"
        hint += "; in a network that rnnx trained it sees everything"
    raise Unsupported(f"{what} needs {lacking}, {fault}", hint)


def _check_of(model: Classifier, row: Method | View, given: Mapping[str, Any]) -> None:
    """Raise Unsupported, with the methods that can, if more than the logit is asked of what explains nothing else."""
    of = settings.signature(row.function).settings.get("of")
    if of is None or given.get("of") not in set(get_args(settings.Of)) - set(of.choices):
        return
    works = [
        name
        for name, other in usable(registry.methods()).items()
        if other.needs <= model.provides and settings.fit(other.function, {"of": "prob"}) == 2
    ]
    message = f"{row.name} shares out the target's logit; it cannot explain {given['of']!r}"
    raise Unsupported(message, f"methods that explain the probability (prob) and the loss too: {', '.join(works)}")
