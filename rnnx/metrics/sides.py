"""What explanations of one text say side by side: common tokens, one scale, where they disagree, which to believe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np

from rnnx.comparisons import MARGIN, Agreement, Comparison, Dispute, Matrix, Side, What
from rnnx.metrics.agreement import overlap, ranked_alike, same_sign
from rnnx.models.protocols import Array
from rnnx.types import Attribution, Explanation, Token

APART = 0.3  # of scaled scores: what differs by less is no dispute
OPPOSED = 0.1  # and signs count from here


def compared(what: What, sides: Sequence[Side], refused: Mapping[str, str], random: float | None) -> Comparison:
    """The comparison of the sides of a text, of which ``random`` is the faithfulness of random orders."""
    first = sides[0].explanation
    tokens = common(first.text, [side.explanation.tokens for side in sides])
    scores = np.stack([scaled(on(tokens, side.explanation)) for side in sides])
    return Comparison(
        what=what,
        text=first.text,
        tokens=tokens,
        target=first.target,
        sides=tuple(sides),
        scores=tuple(tuple(row) for row in scores.round(7).tolist()),
        refused=dict(refused),
        random=random,
        agreement=agreement(sides, scores),
        dispute=dispute(sides, scores, random),
        best=best({side.name: side.faithful for side in sides}, random),
    )


def common(text: str, sides: Sequence[tuple[Token, ...]]) -> tuple[Token, ...]:
    """The tokens where all have the same; else the least pieces of the text that no token of any side overlaps."""
    if all(side == sides[0] for side in sides):
        return sides[0]
    found: list[Token] = []
    for token in sorted((token for side in sides for token in side), key=lambda token: token.start):
        if found and token.start < found[-1].end:
            start, end = found[-1].start, max(found[-1].end, token.end)
            found[-1] = Token(text[start:end], start, end, found[-1].field)
        else:
            found.append(token)
    return tuple(found)


def on(tokens: Sequence[Token], explanation: Explanation) -> Array:
    """The scores of pieces of the text: the sums of those of the explanation's tokens in them."""
    evidence = explanation.evidence
    assert isinstance(evidence, Attribution)
    ends = [token.end for token in tokens]
    places = np.searchsorted(ends, [token.start for token in explanation.tokens], side="right")
    found: Array = np.bincount(places, evidence.scores, len(tokens)).astype(float)
    return found


def scaled(scores: Array) -> Array:
    """Divided by the largest absolute one, so that it is 1 or -1; all zeros stay so."""
    found: Array = scores / (np.abs(scores).max() or 1.0)
    return found


def agreement(sides: Sequence[Side], scores: Array) -> Agreement:
    """Of each two sides. One with a sign and one without are compared by absolute scores, and have no common sign."""

    def matrix(measure: Callable[[Array, Array], float | None], signs: bool = False) -> Matrix:
        def cell(i: int, j: int) -> float | None:
            signed = sides[i].signed and sides[j].signed
            if signs and not signed:
                return None
            found = measure(scores[i], scores[j]) if signed else measure(np.abs(scores[i]), np.abs(scores[j]))
            return None if found is None else round(found, 6)

        return tuple(tuple(cell(i, j) for j in range(len(sides))) for i in range(len(sides)))

    names = tuple(side.name for side in sides)
    return Agreement(names, matrix(ranked_alike), matrix(overlap), matrix(same_sign, signs=True))


def dispute(sides: Sequence[Side], scores: Array, random: float | None) -> Dispute | None:
    """The token on which two sides differ most: first of all one that speaks for the target for one of them and against
    it for the other, then any of two with signs, then of others; None where nothing differs by much.

    Of the two, that one is to be believed which is more faithful than the other one, and than ``random`` orders of the
    tokens, by more than the margin.
    """
    found: tuple[tuple[bool, bool, float], int, Side, Side, tuple[float, float]] | None = None
    for i, j in combinations(range(len(sides)), 2):
        signed = sides[i].signed and sides[j].signed
        a, b = (scores[i], scores[j]) if signed else (np.abs(scores[i]), np.abs(scores[j]))
        opposed = (a * b < 0) & (np.minimum(np.abs(a), np.abs(b)) >= OPPOSED)
        token = max(range(len(a)), key=lambda t: (bool(opposed[t]), abs(a[t] - b[t])))
        weight = bool(opposed[token]), signed, float(abs(a[token] - b[token]))
        if weight[-1] >= APART and (found is None or weight > found[0]):
            found = weight, token, sides[i], sides[j], (float(a[token]), float(b[token]))
    if found is None:
        return None
    _, token, one, other, values = found
    return Dispute(token, one.name, other.name, values, _believed(one, other, random))


def _believed(one: Side, other: Side, random: float | None) -> str | None:
    found = best({side.name: side.faithful for side in (one, other)}, random)
    return found[0] if len(found) == 1 else None


def best(faithful: Mapping[str, float | None], random: float | None) -> tuple[str, ...]:
    """The most faithful, and what is no more than the margin below it; nothing where random orders are as good."""
    known = {name: value for name, value in faithful.items() if value is not None}
    most = max(known.values(), default=0.0)
    if random is None or most <= random + MARGIN:
        return ()
    return tuple(name for name, value in known.items() if value >= most - MARGIN)
