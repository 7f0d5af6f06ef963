"""Shapley values: what each token adds to the score, on average over all orders in which tokens can come."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

import numpy as np

from rnnx.methods.coalitions import Coalitions, Game, pieces
from rnnx.methods.completeness import missing
from rnnx.methods.drawing import until
from rnnx.methods.removal import removing
from rnnx.methods.sampling import standard_error
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Integers
from rnnx.models.seeds import Rngs
from rnnx.settings import Amount, Count, Few, Of, Removal, Texts

ROUND = 8  # pairs of orders between two looks at the error


def shapley(
    model: Classifier,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    exact: Few = 12,
    samples: Count = 128,
    tolerance: Amount = 0.02,
    removal: Removal = "mask",
    of: Of = "logit",
    references: Texts | None = None,
) -> Diagnosed:
    """What each token adds to the target's score when it joins those before it, on average over all orders of joining.

    Shapley 1953; Strumbelj & Kononenko 2010 for classifiers. Tokens that have not joined are taken away; all of them
    stay where they stand. Positive speaks for the target. The scores add up to the ``difference`` of the text's score
    from that of the text of which all is taken away (``residual`` is what their sum lacks of it); tokens that always
    do the same have the same score, and one that never changes anything has 0. No other scores do all of this.

    A text of up to ``exact`` tokens is read with each subset of them, 2^T in all, which for a recurrent network takes
    hardly more than as many steps: then the scores are exact. Of a longer one orders are drawn, each together with the
    same one turned round (antithetic pairs, Mitchell et al. 2022), up to ``samples`` pairs, until the
    ``standard_error``, the mean over the tokens, is no more than the share ``tolerance`` of the largest score;
    ``draws`` is how many it took, 0 for exact scores. ``removal``, ``of`` and ``references`` as in ``occlusion``; with
    ``removal`` sample every order draws words of its own, also for a short text.

    Returns (batch, token) scores; padding is 0.
    """
    game = Game(model, batch, np.asarray(target), removing(model, removal, references), of)
    scores, error = np.zeros((2, *batch.ids.shape))
    draws, difference = np.zeros(len(scores), int), np.zeros(len(scores))
    drawn = (batch.lengths > exact) | game.draws
    for rows, worths in game.of_all(np.flatnonzero(~drawn)):
        scores[rows, : batch.lengths[rows[0]]] = shares(worths)
        difference[rows] = worths[:, -1] - worths[:, 0]
    rows = np.flatnonzero(drawn)
    if len(rows):
        part = game.among(rows)

        def draw(_: Batch, chosen: Integers, generators: Rngs, count: int) -> Array:
            return _gains(part.among(chosen), generators, count)

        found = until(draw, part.batch, [rngs[i] for i in rows.tolist()], samples, tolerance, ROUND)
        scores[rows], error[rows], draws[rows] = found.mean[..., 0], found.error[..., 0], found.draws
        difference[rows] = found.mean[:, 0, 1]
    judged = {"draws": draws, "residual": missing(difference, scores), "difference": difference}
    return Diagnosed(scores, judged | standard_error(error, batch, samples))


def shares(worths: Array) -> Array:
    """The Shapley values (B, T) of games from the worths (B, 2^T) of their coalitions, numbered as by ``subsets``."""
    size = worths.shape[1].bit_length() - 1
    chance = np.array([1 / (size * comb(size - 1, k)) for k in range(size)])  # that just these k have come before
    members = np.bitwise_count(np.arange(1 << size))
    found = np.empty((len(worths), size))
    for t in range(size):
        pairs = (-1, 2, 1 << (size - 1 - t))  # without and with token t
        before = members.reshape(pairs)[:, 0]
        gain = np.diff(worths.reshape(len(worths), *pairs), axis=2)[:, :, 0]
        found[:, t] = (gain * chance[before]).sum(axis=(1, 2))
    return found


def _gains(game: Game, rngs: Rngs, count: int) -> Array:
    """What each token adds in each of ``count`` pairs of orders, and what all of them do, (text, pair, T, 2)."""
    ranks = _orders(game.batch, rngs, count)
    at = _words(game.batch, rngs, count) if game.draws else None
    flat = ranks.reshape(-1, ranks.shape[3])
    steps = flat.shape[1] + 1

    def parts() -> Iterator[Coalitions]:
        for part in pieces(len(flat) * steps, flat.shape[1]):
            order, joined = np.divmod(part, steps)
            words = None if at is None else at.reshape(*flat.shape, 2)[order]
            yield Coalitions(order // (2 * count), flat[order] < joined[:, None], words)

    worths = game.worths(parts()).reshape(*ranks.shape[:3], steps)
    gains = np.take_along_axis(np.diff(worths), ranks, axis=3).mean(axis=2)
    whole = (worths[..., -1] - worths[..., 0]).mean(axis=2)
    return np.stack([gains, np.broadcast_to(whole[..., None], gains.shape)], axis=-1)


def _orders(batch: Batch, rngs: Rngs, count: int) -> Integers:
    """In pairs of orders the place of each token, (text, pair, 2, T); padding joins after all tokens."""
    longest = batch.ids.shape[1]
    ranks = np.tile(np.arange(longest), (len(batch.ids), count, 2, 1))
    for own, n, rng in zip(ranks, batch.lengths.tolist(), rngs, strict=True):
        own[:, 0, :n] = rng.permuted(own[:, 0, :n], axis=1)
        own[:, 1, :n] = n - 1 - own[:, 0, :n]
    return ranks


def _words(batch: Batch, rngs: Rngs, count: int) -> Array:
    """For each order the random numbers by which words stand in for tokens: the same ones, until the token joins."""
    at = np.zeros((len(batch.ids), count, 2, batch.ids.shape[1], 2))
    for own, n, rng in zip(at, batch.lengths.tolist(), rngs, strict=True):
        own[:, :, :n] = rng.random(own[:, :, :n].shape)
    return at
