"""How far two explanations of one text agree: numbers from their scores alone."""

from __future__ import annotations

import math

import numpy as np

from rnnx.metrics.correlation import spearman
from rnnx.models.protocols import Array, Integers

SHARE = 5  # one token in so many counts as strong, at least one


def strong(scores: Array) -> Integers:
    """The places of the strongest fifth of the tokens, by absolute score, at least one; of equals the first."""
    count = -(-len(scores) // SHARE)
    found: Integers = np.argsort(-np.abs(scores), kind="stable")[:count]
    return found


def ranked_alike(one: Array, other: Array) -> float | None:
    """The rank correlation of two lists of scores, from -1 to 1 (Spearman); None where one of them ranks nothing."""
    found = spearman(one, other)
    return None if math.isnan(found) else found


def overlap(one: Array, other: Array) -> float:
    """The share of the strongest tokens of one that are among those of the other.

    Krishna et al. 2022 ("The Disagreement Problem"): feature agreement.
    """
    a, b = strong(one), strong(other)
    return len(np.intersect1d(a, b)) / len(a)


def same_sign(one: Array, other: Array) -> float | None:
    """Of the tokens that are strong for either and 0 for neither, the share to which both give the same sign.

    None if there are none. After the sign agreement of Krishna et al. 2022, which takes only common strong ones.
    """
    either = np.union1d(strong(one), strong(other))
    a, b = np.sign(one[either]), np.sign(other[either])
    said = (a != 0) & (b != 0)
    return float((a == b)[said].mean()) if said.any() else None
