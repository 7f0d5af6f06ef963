"""The farthest attention of all, where one head decides between two classes.

There the logit is a mean of what the states give to it, so that the weights with which the prediction stays within a
tolerance are a simplex cut by two parallel planes. The divergence from the model's weights is convex: it is largest at
a corner of them, where one token has all the weight, or two share it on one of the planes. All corners are tried.
"""

from __future__ import annotations

import numpy as np

from rnnx.metrics.reweighing import logits, said
from rnnx.models.attended import Attended
from rnnx.models.protocols import Array, Batch


def corner(found: Attended, batch: Batch, tolerance: float) -> Array | None:
    """The weights (B, T, 1) of the farthest corner of each text; None for several heads or more than two classes.

    They are on the edge of the tolerance, and by rounding may be a hair beyond it. The model's own, where it has no
    corner.
    """
    if found.weights.shape[2] > 1 or len(found.bias) > 2:
        return None
    gains = found.gains[:, :, 0, -1] - (found.gains[:, :, 0, 0] if len(found.bias) == 2 else 0)
    bias = found.bias[-1] - (found.bias[0] if len(found.bias) == 2 else 0)
    p = said(logits(found, found.weights[:, None]))[:, 0, 1]
    with np.errstate(divide="ignore"):
        low, high = (np.log(q) - np.log1p(-q) - bias for q in ((p - tolerance).clip(0), (p + tolerance).clip(None, 1)))
    weights = found.weights.copy()
    for i, n in enumerate(batch.lengths.tolist()):
        best = _best(found.weights[i, :n, 0], gains[i, :n], (low[i], high[i]))
        if best is not None:
            first, second, share = best
            weights[i] = 0
            weights[i, first, 0] += share
            weights[i, second, 0] += 1 - share
    return weights


def _best(own: Array, gains: Array, planes: tuple[float, float]) -> tuple[int, int, float] | None:
    """Two tokens and the share of the first of them; a token with itself is one that has all."""
    inside = (planes[0] <= gains) & (gains <= planes[1])
    found = [(_far(own, np.eye(len(own))), np.diag(inside), np.ones((len(own), len(own))))]
    rise = gains[:, None] - gains
    for plane in filter(np.isfinite, planes):
        share = np.divide(plane - gains, rise, out=np.full(rise.shape, -1.0), where=rise != 0)
        found.append((_far(own, share.clip(0, 1)), (share >= 0) & (share <= 1), share))
    far = np.stack([np.where(there, far, -1) for far, there, _ in found])
    which, first, second = (int(place) for place in np.unravel_index(far.argmax(), far.shape))
    return None if far.max() < 0 else (first, second, float(found[which][2][first, second]))


def _far(own: Array, share: Array) -> Array:
    """The divergence from ``own`` (T,) of the weights that two tokens share, (T, T); all others have none."""
    one, other = own[:, None], own[None]
    rest = 1 - one - other  # of a token with itself, the share of 0 makes up for the second one
    found: Array = (np.log(2) * rest + _part(share, one) + _part(1 - share, other)) / 2
    return found


def _part(a: Array, b: Array) -> Array:
    """What a token with the weights a and b gives to twice the divergence."""
    middle = (a + b) / 2
    parts = (np.where(w > 0, w * np.log(np.maximum(w, 1e-300) / middle), 0) for w in (a, b))
    return sum(parts, np.zeros_like(middle))
