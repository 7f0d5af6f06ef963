"""Explanations of one text side by side, as plain, frozen data. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from rnnx.types import Explanation, Token, plain_token

What = Literal["methods", "models"]
Matrix = tuple[tuple[float | None, ...], ...]  # None where it cannot be said

MARGIN = 0.05  # of the faithfulness of one text: what is less apart counts as equal


class Passes(NamedTuple):
    """How many texts, changed ones included, were read forward and backward for one explanation."""

    forward: float
    backward: float


@dataclass(frozen=True)
class Side:
    """One of the explanations: ``name`` is its method's, or its model's.

    ``faithful`` is its comprehensiveness, 0 that of the worst order of the tokens and 1 that of the best;
    None for a text whose tokens' order does not matter.
    """

    name: str
    explanation: Explanation
    signed: bool
    faithful: float | None
    milliseconds: float
    passes: Passes


@dataclass(frozen=True)
class Agreement:
    """How much each two of ``names`` agree, as symmetric matrices: the rank correlation of their scores (Spearman), the
    share of their strongest tokens that they have in common, and on how many of these their signs agree.
    """

    names: tuple[str, ...]
    spearman: Matrix
    overlap: Matrix
    sign: Matrix


@dataclass(frozen=True)
class Dispute:
    """Where two sides disagree most: the token's number, and what each of them gives it.

    ``believe`` is the one that is more faithful than the other one and than random orders, None where neither is.
    """

    token: int
    one: str
    other: str
    scores: tuple[float, float]
    believe: str | None


@dataclass(frozen=True)
class Comparison:
    """The sides of one text, why others are missing, and the mean faithfulness of random orders.

    ``tokens`` are those that all sides have in common: of two models that cut a text otherwise, the least pieces that
    both cut at. ``scores`` are theirs, a row a side, divided by the side's largest absolute one. ``best`` are the sides
    that are to be believed, none where no order of the tokens is better than chance.
    """

    what: What
    text: str
    tokens: tuple[Token, ...]
    target: str
    sides: tuple[Side, ...]
    scores: tuple[tuple[float, ...], ...]
    refused: Mapping[str, str]
    random: float | None
    agreement: Agreement
    dispute: Dispute | None
    best: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "what": self.what,
            "text": self.text,
            "tokens": [plain_token(token) for token in self.tokens],
            "target": self.target,
            "sides": [_side(side, scores) for side, scores in zip(self.sides, self.scores, strict=True)],
            "refused": dict(self.refused),
            "random": self.random,
            "agreement": asdict(self.agreement),
            "dispute": None if self.dispute is None else asdict(self.dispute),
            "best": list(self.best),
        }


class Mean(NamedTuple):
    """A mean over texts, and the bounds of its bootstrap interval (95 %)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One method or model over a data set: how many texts it explained, and means over them."""

    name: str
    texts: int
    faithful: Mean | None
    milliseconds: float
    passes: Passes


@dataclass(frozen=True)
class Overall:
    """Comparisons of many texts in one: mean agreement, mean faithfulness, and what could not be explained.

    ``best`` are the names whose faithfulness no other's exceeds reliably, none if none exceeds that of random orders.
    ``same_label`` is in how many texts all sides predict the same. ``changed``: of two models, the words whose scores
    changed most, with the mean change from the first to the second, and how often they occur.
    """

    what: What
    texts: int
    lines: tuple[Line, ...]
    random: Mean | None
    agreement: Agreement
    refused: Mapping[str, str]
    best: tuple[str, ...]
    same_label: int
    changed: tuple[tuple[str, float, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def _side(side: Side, scores: tuple[float, ...]) -> dict[str, Any]:
    found = {"name": side.name, **side.explanation.to_dict()}
    for repeated in ("text", "schema"):
        del found[repeated]
    cost = {"milliseconds": side.milliseconds, **side.passes._asdict()}
    return {**found, "scaled": list(scores), "faithful": side.faithful, "cost": cost}
