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
    "recurrence": "the steps of a recurrent network",
    "decomposition": "states that can be split between tokens",
    "telescoping": "a single LSTM or GRU layer that is read where it ends (pooling: last)",
    "cell": "the cell state of an LSTM",
}


@dataclass(frozen=True)
class Row:
    """What the table says of methods and views alike: ``function`` is "module:name".

    ``signed`` scores speak for the target or, negative, against it. For its page: ``cost`` in forward and backward
    passes over a text, what ``adds_up`` to what, or "nothing", the ``paper`` as its docstring cites it, and its known
    ``weakness``. Our own rows have them all. ``targeted`` is False for what is the same whichever label is explained;
    ``local`` is True for what sees only small changes of the text as it is, which say little where the model is sure.
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
