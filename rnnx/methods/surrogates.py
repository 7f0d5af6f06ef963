"""Linear models that imitate the model on subsets of a text's tokens, fitted to as many subsets as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rnnx.errors import Unexplained
from rnnx.methods.coalitions import Game, parts
from rnnx.models.protocols import Array, Integers, Mask
from rnnx.models.seeds import Rngs

FIRST = 256  # subsets before the first look at the error
LEAST = 1e-12  # of the mean curvature: the penalty where there is no other, so that there is one solution
DRAWN = 2**22  # tokens of subsets that are drawn together, a byte each; what is drawn depends on it
MEMORY = 2**31  # bytes that the subsets of a text and the equations may take
A_SUBSET = 64  # bytes of a subset beside its tokens, which take a bit each: its worth, weight and distance

Draw = Callable[[int, int, np.random.Generator], Mask]  # tokens, subsets, and a generator to (subsets, tokens)
Rows = Callable[[slice], Mask]  # some of the subsets (N, T)


class Subsets:
    """Subsets of the ``size`` tokens of a text, a bit a token, and their ``worths`` (N,): less than 0 for one that is
    worth less than the text.
    """

    def __init__(self, size: int) -> None:
        self.size, self.worths = size, np.empty(0)
        self._there = np.empty((0, -(-size // 8)), np.uint8)

    def add(self, there: Mask, worths: Array) -> None:
        """More of them."""
        self._there = np.concatenate([self._there, np.packbits(there, axis=1)])
        self.worths = np.append(self.worths, worths)

    def __call__(self, rows: slice) -> Mask:
        """Some of them (n, T)."""
        return np.unpackbits(self._there[rows], axis=1, count=self.size).view(bool)


class Fit(NamedTuple):
    """A linear model of one text: its coefficients (T,), their standard errors, and the share of the variance of what
    it imitates that it explains.
    """

    coefficients: Array
    errors: Array
    r_squared: float


class Fitted(NamedTuple):
    """Those of all texts, (B, T), (B, T) and (B,), and of how many subsets, (B,)."""

    coefficients: Array
    errors: Array
    r_squared: Array
    subsets: Integers


Fitting = Callable[[int, Subsets], Fit]  # the row of a text, and its subsets


def fitted(
    game: Game, rngs: Rngs, draw: Draw, fit: Fitting, tolerance: float, first: Integers, most: Integers
) -> Fitted:
    """Fits to the ``first`` (B,) subsets of each text, then to twice as many, up to ``most`` (B,); a text has enough of
    them when the mean of the standard errors is no more than the share ``tolerance`` of its largest coefficient. With a
    tolerance of 0 all are read at once: the more there are, the more they have in common.
    """
    lengths = game.batch.lengths
    coefficients, errors = np.zeros((2, *game.batch.ids.shape))
    r_squared, done = np.zeros(len(lengths)), np.zeros(len(lengths), int)
    there = [Subsets(n) for n in lengths.tolist()]
    rows, more = np.arange(len(lengths)), np.minimum(first, most) if tolerance else most
    while len(rows):
        for i, masks, worths in _drawn(game, rngs, draw, rows, more):
            there[i].add(masks, worths)
        for i in rows.tolist():
            n, done[i] = lengths[i], len(there[i].worths)
            coefficients[i, :n], errors[i, :n], r_squared[i] = fit(i, there[i])
        enough = errors[rows].sum(axis=1) / lengths[rows] <= tolerance * np.abs(coefficients[rows]).max(axis=1)
        rows = rows[~enough & (done[rows] < most[rows])]
        more = np.minimum(done, most - done)
    return Fitted(coefficients, errors, r_squared, done)


def refuse(lengths: Integers, most: Integers) -> None:
    """Raises Unexplained for texts of which so many subsets, and the equations, would take more than ``MEMORY``."""
    left = MEMORY - 32 * lengths * np.minimum(lengths, most)  # of four matrices of double precision
    fit = left.clip(0) // (lengths // 8 + A_SUBSET)
    reasons = {
        i: f"{most[i]:,} subsets of {lengths[i]:,} tokens take more than {MEMORY >> 30} GB"
        for i in np.flatnonzero(most > fit).tolist()
    }
    if reasons:
        i = next(iter(reasons))
        enough = f"for this text samples={fit[i]} is the most; " if fit[i] > FIRST else ""
        raise Unexplained(reasons, f"{enough}shapley takes any number of draws")


def _drawn(game: Game, rngs: Rngs, draw: Draw, rows: Integers, more: Integers) -> Iterator[tuple[int, Mask, Array]]:
    """``more`` subsets (B,) of each of some texts, and what they are worth: part by part, so many as are drawn together
    for each of the texts.
    """
    lengths, left = game.batch.lengths, more.copy()
    while len(rows):
        counts = np.minimum(left, (DRAWN // lengths // 2 * 2).clip(2))  # pairs stay together
        group = (counts * lengths)[rows].cumsum() // DRAWN
        for some in np.split(rows, np.flatnonzero(np.diff(group)) + 1):
            fresh = [draw(int(lengths[i]), int(counts[i]), rngs[i]) for i in some.tolist()]
            yield from zip(some.tolist(), fresh, _worths(game, rngs, some, fresh), strict=True)
        left -= counts
        rows = rows[left[rows] > 0]


def _worths(game: Game, rngs: Rngs, rows: Integers, subsets: Sequence[Mask]) -> list[Array]:
    """Of subsets of some texts, beside those of the texts."""
    edges = np.cumsum([len(masks) for masks in subsets])
    text = np.repeat(rows, np.diff(edges, prepend=0))
    there = np.zeros((len(text), game.batch.ids.shape[1]), bool)
    for own, masks in zip(np.split(there, edges[:-1]), subsets, strict=True):
        own[:, : masks.shape[1]] = masks
    return np.split(game.gains(game.with_words(text, there, rngs)), edges[:-1])


def least_squares(part: Callable[[slice], tuple[Array, Array]], count: int, size: int, ridge: float = 0.0) -> Fit:
    """The coefficients b for which the sum of (y - x b)^2 over ``count`` rows, and ``ridge`` b^2, is least.

    ``part`` gives x (n, size) and y (n,) of some rows. The errors are those of drawing the rows (White 1980), larger
    where there are hardly more rows than coefficients; without more, they are as large as if nothing were explained.
    """
    if count < size:
        return _wide(*part(slice(0, count)), ridge)
    curvature, pull = np.zeros((size, size)), np.zeros(size)
    for x, y in map(part, parts(count, size)):
        curvature += x.T @ x
        pull += x.T @ y
    inverse, used = _inverse(curvature, ridge)
    found = inverse @ pull
    free = count - used
    errors, left, spread = np.zeros(size), 0.0, 0.0
    for x, y in map(part, parts(count, size)):
        rest = y - x @ found
        left, spread = left + float(rest @ rest), spread + float(y @ y)
        errors += (((rest if free >= 1 else y)[:, None] * x @ inverse) ** 2).sum(axis=0)
    return Fit(found, np.sqrt(errors * count / max(free, 1)), 1 - left / spread if spread else 1.0)


def _wide(x: Array, y: Array, ridge: float) -> Fit:
    """The same with fewer rows than coefficients."""
    inverse, used = _inverse(x @ x.T, ridge)
    pulls = x.T @ inverse  # of each row at each coefficient
    found, free = pulls @ y, len(y) - used
    rest = y - x @ found
    errors = np.sqrt((pulls**2 @ (rest if free >= 1 else y) ** 2) * len(y) / max(free, 1))
    return Fit(found, errors, 1 - float(rest @ rest / (y @ y)) if y.any() else 1.0)


def _inverse(curvature: Array, ridge: float) -> tuple[Array, float]:
    """Of the curvature with the penalty, which it is given; and how many rows the coefficients use up."""
    size = len(curvature)
    penalty = max(ridge, LEAST * np.trace(curvature) / size, np.finfo(float).tiny)
    curvature[np.diag_indices(size)] += penalty
    inverse = np.linalg.inv(curvature)
    return inverse, size - penalty * np.trace(inverse)
