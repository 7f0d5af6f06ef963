"""What a row of the table says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

FAMILIES = {
    "input": "which tokens, by gradients or by changing the input",
    "attention": "which tokens the model's own attention weighs",
    "model": "what happens inside: states and weights",
    "rules": "rules that imitate the model",
    "examples": "inputs that show the model's behaviour",
    "hybrid": "several methods together",
}


# What a model may lack, in words, where the name does not say it.
NEEDS = {
    "attended": "states that attention weighs (pooling: attention or dot-attention)",
    "recurrence": "the steps of a recurrent network",
    "decomposition": "states that can be split between tokens",
    "telescoping": "a single LSTM or GRU layer that is read where it ends (pooling: last)",
    "cell": "the cell state of an LSTM",
    "weights": "weights that can be changed in a copy (the numpy engine)",
}


@dataclass(frozen=True)
class Row:
    """What the table says of methods and views alike: ``function`` is "module:name".

    ``signed`` scores speak for the target or, negative, against it. For its page: ``cost`` in forward and backward
    passes over a text, what ``adds_up`` to what, or "nothing", the ``paper`` as its docstring cites it, and its known
    ``weakness``. Our own rows have them all. ``targeted`` is False for what is the same whichever label is explained;
    ``local`` is True for what sees only small changes of the text as it is, which say little where the model is sure.
    ``together``: of a file, so many texts are explained at most before they are written; few where each takes long.
    """

    name: str
    function: str
    _: KW_ONLY
    needs: frozenset[str] = frozenset()
    signed: bool = False
    cost: str = ""
    adds_up: str = ""
    paper: str = ""
    weakness: str = ""
    targeted: bool = True
    local: bool = False
    together: int | None = None


@dataclass(frozen=True)
class Method(Row):
    """A way to give every token a score."""

    family: str
    summary: str


@dataclass(frozen=True)
class View(Row):
    """Another picture of a method: a function that measures a ``Trace`` or scores ``Phrases``.

    ``columns`` says what each measured quantity means.
    """

    method: str
    summary: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Metric:
    """A measure of explanations: ``function`` is "module:name", ``short`` the head of its column.

    ``better`` is higher or lower. ``usual`` metrics are those that are measured if none are named; the others are asked
    for by name, because of what they cost.
    """

    name: str
    function: str
    short: str
    summary: str
    _: KW_ONLY
    better: str
    paper: str
    weakness: str
    cost: str
    needs: frozenset[str] = frozenset()
    usual: bool = True
    marks: bool = False  # whether it needs what people have marked
