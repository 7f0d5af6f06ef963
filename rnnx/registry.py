"""One light table: which methods and views there are, what they need, and where their code is.

Nothing here imports the code: ``--help``, ``methods`` and shell completion read only this table. Another
package adds a method with an entry point in the group ``rnnx.methods`` whose value is a ``Method``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from rnnx.errors import UnknownName

FAMILIES = {
    "input": "which tokens, by gradients or by changing the input",
    "attention": "which tokens the model's own attention weighs",
    "model": "what happens inside: states and weights",
    "rules": "rules that imitate the model",
    "examples": "inputs that show the model's behaviour",
    "hybrid": "several methods together",
}


@dataclass(frozen=True)
class Method:
    """A row: ``function`` is "module:name"; ``signed`` scores speak for the target or, negative, against it."""

    name: str
    function: str
    family: str
    summary: str
    needs: frozenset[str] = frozenset()
    signed: bool = False


@dataclass(frozen=True)
class View:
    """Another picture of a method: a function that measures a ``Trace``; ``columns`` says what each means."""

    name: str
    function: str
    method: str
    summary: str
    columns: Mapping[str, str]
    needs: frozenset[str] = frozenset()


def _table(rows: Iterable[Method]) -> dict[str, Method]:
    return {row.name: row for row in rows}


_BUILT_IN = _table(
    [
        Method(
            "grad",
            "rnnx.methods.gradients:grad",
            "input",
            "size of the gradient dy/dx_t: how strongly the output reacts to each token",
            needs=frozenset({"gradients"}),
        ),
        Method(
            "grad-x-input",
            "rnnx.methods.gradients:grad_x_input",
            "input",
            "gradient times input: the first-order share of each token, for or against",
            needs=frozenset({"gradients"}),
            signed=True,
        ),
        Method(
            "attention",
            "rnnx.methods.attention:attention",
            "attention",
            "the model's own attention weights; they sum to 1",
            needs=frozenset({"attention"}),
        ),
    ]
)

VIEWS = {
    "chain": View(
        "chain",
        "rnnx.methods.chain:chain",
        "grad",
        "the chain rule, factor by factor: dy/dh_T, what of it reaches step t, dh_t/dx_t",
        columns={
            "dy/dh_T": "the gradient at what the output layer reads, the same for all tokens",
            "dy/dh_t": "what of it arrives at the hidden state (of the lowest layer) after this token",
            "dy/dc_t": "and at the cell state, its other road through time",
            "dh_t/dx_t": "how far this token can move its hidden state (near 0: gates shut or saturated)",
            "dy/dx_t": "the whole gradient: the score of grad",
        },
        needs=frozenset({"recurrence"}),
    ),
}


def methods() -> dict[str, Method]:
    """All methods by name: the built-in ones, then those of other installed packages that can be loaded."""
    from importlib.metadata import entry_points

    found = []
    for point in entry_points(group="rnnx.methods"):
        try:
            found.append(point.load())
        except Exception as error:  # whatever another package's code raises must not take ours down
            warnings.warn(f"the method {point.name} of {point.value} is left out: {error}", stacklevel=2)
    return {**_table(found), **_BUILT_IN}


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


def load(function: str) -> Callable[..., Any]:
    """The function behind "module:name"."""
    module, _, name = function.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), name)
    return loaded
