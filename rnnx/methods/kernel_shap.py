"""Shapley values as the coefficients of a linear model of all subsets of the tokens."""

from __future__ import annotations

from math import comb

import numpy as np

from rnnx.methods.coalitions import Game, subsets
from rnnx.methods.completeness import missing
from rnnx.methods.removal import removing
from rnnx.methods.sampling import standard_error
from rnnx.methods.surrogates import FIRST, Fit, Rows, Subsets, fitted, least_squares, refuse
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Integers, Mask
from rnnx.models.seeds import Rngs
from rnnx.settings import Amount, Count, Of, Removal, Texts

A_TOKEN = 4  # subsets at least, so that there are well more equations than tokens
LONGEST = 24  # tokens of a text of which all subsets are read: their worths and weights take 1 GB
EMPTY = 64  # draws of a text of which nothing is left, where its words are drawn


def kernel_shap(
    model: Classifier,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    samples: Count = 2048,
    tolerance: Amount = 0.02,
    removal: Removal = "mask",
    of: Of = "logit",
    references: Texts | None = None,
) -> Diagnosed:
    """What each token adds to the target's score: the Shapley value, from a linear model of subsets of the tokens.

    Lundberg & Lee 2017 (KernelSHAP), with the paired subsets of Covert & Lee 2021. Of all sums of a number a token
    that is there, the one that comes nearest to the scores of the text's subsets, very small and very large ones
    counting most, has the Shapley values: see ``shapley`` for what they mean. Positive speaks for the target. The
    scores add up to the ``difference`` of the text's score from that of the text of which all is taken away, exactly;
    ``residual`` is what rounding leaves.

    If a text has no more than ``samples`` subsets (up to 11 tokens), all of them are read, and the scores are exact.
    Else subsets are drawn, each with the tokens that it lacks as a second one, until the ``standard_error``, the mean
    over the tokens, is no more than the share ``tolerance`` of the largest score; up to ``samples`` of them, or four a
    token, if that is more. ``subsets`` is how many were read. ``removal``, ``of`` and ``references`` as in
    ``occlusion``; with ``removal`` sample each subset has words of its own, and none is enough. Raises Unexplained for
    more subsets than 2 GB of memory hold.

    Returns (batch, token) scores; padding is 0.
    """
    game = Game(model, batch, np.asarray(target), removing(model, removal, references), of)
    scores, error = np.zeros((2, *batch.ids.shape))
    read, difference = np.zeros(len(scores), int), np.zeros(len(scores))
    first, most = (np.maximum(count + count % 2, A_TOKEN * batch.lengths) for count in (FIRST, samples))
    drawn = (batch.lengths > np.minimum(np.log2(most + 2), LONGEST)) | game.draws
    refuse(batch.lengths, np.where(drawn, most, 0))
    for rows, worths in game.of_all(np.flatnonzero(~drawn)):
        scores[rows, : batch.lengths[rows[0]]] = [_of_all(row) for row in worths]
        difference[rows], read[rows] = worths[:, -1] - worths[:, 0], worths.shape[1]
    rows = np.flatnonzero(drawn)
    if len(rows):
        part, own = game.among(rows), [rngs[i] for i in rows.tolist()]
        whole, spread = _whole(part, own)

        def fit(i: int, drawn: Subsets) -> Fit:
            gain = drawn.worths[::2] - drawn.worths[1::2]

            def first(rows: slice) -> Mask:
                return drawn(slice(2 * rows.start, 2 * rows.stop, 2))

            found = _constrained(first, gain, np.ones(len(gain)), whole[i], drawn.size)
            return found._replace(errors=np.hypot(found.errors, spread[i] / len(found.errors)))

        found = fitted(part, own, _pairs, fit, tolerance, first[rows], most[rows])
        scores[rows], error[rows], read[rows] = found.coefficients, found.errors, found.subsets
        difference[rows] = whole
    judged = {"subsets": read, "residual": missing(difference, scores), "difference": difference}
    return Diagnosed(scores, judged | standard_error(error, batch, int(read.max())))


def _constrained(there: Rows, gain: Array, weights: Array, whole: float, size: int) -> Fit:
    """The ``size`` coefficients, which add up to ``whole``, for N subsets that have ``gain`` (N,) more than the rest of
    the text: that much should be the coefficients of their tokens, less those of the rest.

    What is fitted is by how much each is above an equal share; a last row, all tokens, says that this adds up to 0.
    """
    gain = np.append(gain, whole)
    root, last = np.sqrt(np.append(weights, weights.sum() + 1)), len(gain) - 1

    def part(rows: slice) -> tuple[Array, Array]:
        all_tokens = np.ones((int(rows.stop > last), size), bool)
        signs = np.where(np.vstack([there(slice(rows.start, min(rows.stop, last))), all_tokens]), 1.0, -1.0)
        balance = signs.mean(axis=1)
        others = np.arange(rows.start, rows.stop) < last  # of a text of one token they say nothing that it does not
        x = signs - np.where(others, balance, 0)[:, None]
        return x * root[rows, None], (gain[rows] - balance * whole) * root[rows]

    fit = least_squares(part, len(gain), size)
    return fit._replace(coefficients=whole / size + fit.coefficients)


def _of_all(worths: Array) -> Array:
    """From the worths of all subsets, by number; a subset and the rest of the text have one row together."""
    size = len(worths).bit_length() - 1
    half = 1 << (size - 1)
    kernel = np.array([0.0] + [1 / (comb(size, k) * k * (size - k)) for k in range(1, size)])
    weights = kernel[np.bitwise_count(np.arange(1, half))]
    gain = worths[1:half] - worths[-2 : -1 - half : -1]

    def there(rows: slice) -> Mask:
        return subsets(size, np.arange(1 + rows.start, 1 + rows.stop))

    return _constrained(there, gain, weights, worths[-1] - worths[0], size).coefficients


def _pairs(size: int, count: int, rng: np.random.Generator) -> Mask:
    """Subsets as often as their weight says, each followed by the rest of the tokens."""
    members = np.arange(1, max(size, 2))  # of a single token the pair is all and nothing
    chance = 1 / (members * np.maximum(size - members, 1))
    drawn = rng.choice(members, count // 2, p=chance / chance.sum())
    there = rng.permuted(np.arange(size) < drawn[:, None], axis=1)
    return np.stack([there, ~there], axis=1).reshape(-1, size)


def _whole(game: Game, rngs: Rngs) -> tuple[Array, Array]:
    """How much higher each text scores than the text of which nothing is left, and the standard error, (B,) both."""
    times = 1 + (EMPTY if game.draws else 1)
    text = np.repeat(np.arange(len(rngs)), times)
    there = np.zeros((len(text), game.batch.ids.shape[1]), bool)
    there[::times] = True
    worths = game.worths(game.with_words(text, there, rngs)).reshape(-1, times)
    empty = worths[:, 1:]
    return worths[:, 0] - empty.mean(axis=1), empty.std(axis=1) / np.sqrt(max(times - 2, 1))
