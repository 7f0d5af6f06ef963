"""How much it matters where a token stands."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnx.methods.coalitions import pieces
from rnnx.methods.drawing import until
from rnnx.methods.perturbation import each_token, falls, over_tokens
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Integers
from rnnx.models.seeds import Rngs, numbers
from rnnx.models.variants import Variants
from rnnx.settings import Amount, Count, Of

SHUFFLES = 32  # of the whole text


def permutation(
    model: Classifier,
    batch: Batch,
    target: Integers,
    rngs: Rngs,
    *,
    mode: Literal["swap", "shuffle-window", "move"] = "swap",
    reach: Count = 5,
    samples: Count = 64,
    tolerance: Amount = 0.05,
    of: Of = "logit",
) -> Diagnosed:
    """By how much the target's score changes, on average, when a token stands elsewhere; no word is lost or added.

    Breiman 2001 (permutation), of the tokens of one text in place of the values of one feature. The score of token t is
    the mean of |y(text in another order) - y(text)|: how much, not for or against. ``mode`` swap: it changes places
    with one of the tokens up to ``reach`` away; move: it goes to the place of one of them, and those between move up;
    shuffle-window: it and all of these stand in random order. Orders are drawn up to ``samples`` times, until the
    ``standard_error``, the mean over the tokens, is no more than the share ``tolerance`` of the largest score. The
    scores add up to nothing. The diagnostic ``order_sensitivity`` is the mean change over 32 random orders of the whole
    text, 0 for a model that only counts words; ``order_error`` is its standard error. ``of`` is what changes: the
    target's logit, its probability, or the log of that.

    Returns (batch, token) scores; padding is 0.
    """
    shuffled = np.abs(falls(model, _shuffled(batch, rngs), target, of)).reshape(-1, SHUFFLES)
    order = {"order_sensitivity": shuffled.mean(axis=1), "order_error": shuffled.std(axis=1) / np.sqrt(SHUFFLES - 1)}

    def draw(part: Batch, rows: Integers, generators: Rngs, count: int) -> Array:
        every, _, places = each_token(part, count)
        around, changes = 2 * np.minimum(reach, part.lengths - 1) + 1, []
        for some in pieces(len(every), int(around.max())):
            text, place = every[some], places[some]
            spots, sources = _orders(mode, place, part.lengths[text], numbers(text, generators, around))
            variant, spot = np.nonzero(spots != sources)
            there, stands = spots[variant, spot], part.ids[text[variant], sources[variant, spot]]
            changes.append(falls(model, Variants.of(part, text, variant, there, stands), target[rows], of))
        return over_tokens(np.abs(np.concatenate(changes))[:, None], part, count)

    found = until(draw, batch, rngs, samples, tolerance)
    return Diagnosed(found.mean[:, :, 0], found.diagnostics(batch) | order)


def _orders(mode: str, place: Integers, length: Integers, at: Array) -> tuple[Integers, Integers]:
    """The places around each token, and whose token comes to stand there, both (N, 2 reach + 1).

    ``at`` are random numbers of the same shape; of a text shorter than the reach, those that go as far as it does come
    first. Places outside the text stay as they are.
    """
    reach = np.minimum(at.shape[1] // 2, length - 1)
    spots = (place - reach)[:, None] + np.arange(at.shape[1])
    if mode == "shuffle-window":
        keys = np.where(spots < 0, -1, np.where(spots < length[:, None], at, 2))
        return spots, np.take_along_axis(spots, np.argsort(keys, axis=1, kind="stable"), axis=1)
    low, high = (place - reach).clip(0), np.minimum(place + reach, length - 1)
    other = low + (at[:, 0] * (high - low)).astype(int)
    other += (other >= place) & (high > low)
    here, there = place[:, None], other[:, None]
    if mode == "swap":
        return spots, np.where(spots == here, there, np.where(spots == there, here, spots))
    between = (spots - here) * (spots - there) <= 0
    return spots, np.where(spots == there, here, spots + between * np.sign(there - here))


def _shuffled(batch: Batch, rngs: Rngs) -> Variants:
    """``SHUFFLES`` random orders of each text."""
    straight = [np.tile(np.arange(n), (SHUFFLES, 1)) for n in batch.lengths]
    orders = [rng.permuted(each, axis=1) for rng, each in zip(rngs, straight, strict=True)]
    places = np.concatenate([each.ravel() for each in straight])
    text = np.repeat(np.arange(len(orders)), SHUFFLES)
    variant = np.repeat(np.arange(len(text)), batch.lengths[text])
    stands = batch.ids[text[variant], np.concatenate([order.ravel() for order in orders])]
    return Variants.of(batch, text, variant, places, stands)
