"""Rules that integrate a function over [0, 1] from its values at more and more points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rnnx.models.protocols import Array


class Rule(NamedTuple):
    """The points that a rule asks for beyond those of the rules before it, and its weights, which add up to 1.

    The weights are those of the last points asked for, as many as there are weights. The first rule asks for
    both ends first, 0 and then 1.
    """

    fresh: Array
    weights: Array


def clenshaw_curtis(first: int, steps: int) -> Iterator[Rule]:
    """Rules of n + 1 points, n = first, 2 first, 4 first … up to ``steps``, that use all points of the last one.

    Clenshaw & Curtis 1960, with weights in closed form after Waldvogel 2006. n is made a power of two, at least 2.
    Exact for polynomials of degree n. The points (1 - cos(pi k / n)) / 2 stand closer at both ends.
    """
    n = max(2, 2 ** (min(first, steps).bit_length() - 1))
    order = np.array([0, n, *range(1, n)])  # the k of all points, as they were asked for
    fresh = order
    while True:
        yield Rule((1 - np.cos(np.pi * fresh / n)) / 2, _weights(n)[order])
        n *= 2
        if n > steps:
            return
        fresh = np.arange(1, n, 2)
        order = np.concatenate([2 * order, fresh])


def _weights(n: int) -> Array:
    """The weights of the n + 1 points of Clenshaw and Curtis, for an even n."""
    k, j = np.arange(n + 1), np.arange(1, n // 2 + 1)
    share = np.where(j == n // 2, 1, 2) / (4 * j**2 - 1)
    weights: Array = (1 - np.cos(2 * np.pi * np.outer(k, j) / n) @ share) / n
    weights[[0, n]] /= 2
    return weights


def gauss_legendre(first: int, steps: int) -> Iterator[Rule]:
    """Rules of n points, n = first, 2 first, 4 first … and at last ``steps``, that share no points.

    Exact for polynomials of degree 2 n - 1.
    """
    n = min(first, steps)
    ends = np.array([0.0, 1.0])  # not points of the rule
    while True:
        points, weights = np.polynomial.legendre.leggauss(n)
        yield Rule(np.concatenate([ends, (points + 1) / 2]), weights / 2)
        if n == steps:
            return
        n, ends = min(2 * n, steps), ends[:0]
