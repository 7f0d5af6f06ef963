"""From tokens to the whole text: which neighbours say together what they do not say apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from rnnx.methods.contextual import Shares, check_longest
from rnnx.models.protocols import Array, Batch, Decomposable, Diagnosed, Integers, Spans
from rnnx.settings import Logit

Span = tuple[int, int, int]  # text, start, stop
SAME = 5  # digits after the point to which two interactions are compared, so that rounding decides nothing


def hierarchy(
    model: Decomposable, batch: Batch, target: Integers, *, longest: int = 40, of: Logit = "logit"
) -> Diagnosed:
    """The text as a tree of phrases, each with its share of the target's logit, built from the tokens up.

    Singh, Murdoch & Yu 2019 (agglomerative contextual decomposition), for text; the shares are those of
    ``rnnx methods cd``. Positive speaks for the target, negative against it. It begins with the single tokens. In each
    round all pairs of neighbours are joined whose interaction, the share of both together less that of each, is larger
    in size than that of the pairs beside them, the left one of two that are equal, until the whole text is one. So
    what changes its meaning together ("not", "good") comes together early. (The paper joins a group with what changes
    its share most, of the groups above a percentile; that grows a strong word by its neighbours, whether or not they
    bear on it.)

    The share of a phrase is the sum of those of its parts and its interaction; so the tokens and all interactions
    add up to the whole text, the logit less the output layer's bias, to the ``residual``. A text of T tokens takes
    fewer than 4 T shares, each some four forward passes, usually in about 1.5 log2 T rounds; in T - 1 at worst,
    where the interactions grow from one end to the other. Pairs of more than
    ``longest`` tokens are not tried; what is left is joined to the whole text in one step. (It bounds the time, and in
    texts of more than about a hundred tokens a model that reads its last state can make an unstable share of a span
    of more than about twenty.)

    Returns the tokens, then what was joined, in order: the parts of a span are the last before it that fill it. Raises
    ConfigError if ``longest`` is not positive, Unexplained for texts in which a share is no number.
    """
    check_longest("hierarchy", longest)
    shares = Shares.of(model, batch, target)
    known: dict[Span, float] = {}
    groups = [[(i, t, t + 1) for t in range(n)] for i, n in enumerate(batch.lengths.tolist())]
    found: list[tuple[Span, float]] = [(token, 0.0) for group in groups for token in group]
    _measure(shares, [token for token, _ in found], known)
    while pairs := [pair for group in groups for pair in _pairs(group) if _length(pair) <= longest]:
        _measure(shares, pairs, known)
        for group in groups:
            joined = _pairs(group)
            gains = [_gain(known, pair, both) if pair in known else None for pair, both in joined.items()]
            for at in reversed(_peaks(gains)):
                pair = list(joined)[at]
                found.append((pair, gains[at] or 0.0))
                group[at : at + 2] = [pair]
    wholes = [(i, 0, n) for i, n in enumerate(batch.lengths.tolist())]
    _measure(shares, wholes, known)
    left = [(whole, group) for whole, group in zip(wholes, groups, strict=True) if len(group) > 1]
    found += [(whole, _gain(known, whole, group)) for whole, group in left]
    return Diagnosed(_spans(found, known), {"residual": shares.logit - [known[whole] for whole in wholes]})


def _pairs(group: Sequence[Span]) -> dict[Span, tuple[Span, Span]]:
    """Neighbours together, with the two."""
    return {(a[0], a[1], b[2]): (a, b) for a, b in pairwise(group)}


def _length(span: Span) -> int:
    return span[2] - span[1]


def _gain(known: Mapping[Span, float], whole: Span, parts: Iterable[Span]) -> float:
    """The interaction."""
    return known[whole] - sum(known[part] for part in parts)


def _measure(shares: Shares, spans: list[Span], known: dict[Span, float]) -> None:
    """The shares of those spans that are not yet known, in one batch."""
    new = [span for span in spans if span not in known]
    if new:
        text, start, stop = np.array(new).T
        known.update(zip(new, shares(text, start, stop).tolist(), strict=True))


def _peaks(gains: Sequence[float | None]) -> list[int]:
    """Where the interaction is the largest of its neighbourhood; of equal ones every second, never two in a row.

    None stands for a pair that is not tried.
    """
    sizes = [-1.0, *(-1.0 if gain is None else round(abs(gain), SAME) for gain in gains), -1.0]
    peaks: list[int] = []
    for i, (before, size, after) in enumerate(zip(sizes, sizes[1:], sizes[2:], strict=False)):
        if size >= 0 and before <= size >= after and not (peaks and peaks[-1] == i - 1):
            peaks.append(i)
    return peaks


def _spans(found: list[tuple[Span, float]], known: dict[Span, float]) -> Spans:
    text, start, stop = np.array([span for span, _ in found]).T
    values: Array = np.array([(known[span], gain) for span, gain in found])
    return Spans(text, start, stop, values[:, 0], values[:, 1])
