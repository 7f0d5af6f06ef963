"""How far scores are from predicting what happens when several tokens go at once."""

from __future__ import annotations

import numpy as np

from rnnx.metrics.erasure import falls, game
from rnnx.models.protocols import Array, Batch, Classifier, Integers
from rnnx.models.seeds import Rngs
from rnnx.settings import Count, FixedRemoval


def infidelity(
    model: Classifier,
    batch: Batch,
    target: Integers,
    scores: Array,
    rngs: Rngs,
    *,
    samples: Count = 32,
    normalise: bool = True,
    removal: FixedRemoval = "delete",
) -> Array:
    """The mean squared error of the sum of the scores of some tokens as a prediction of how far the logit falls
    without them.

    Yeh et al. 2019, as in Captum, with the noisy baseline of a text: each token is taken away with probability 1/2, in
    ``samples`` draws, the same for every method. In squared logits, from 0; lower is better. ``normalise`` multiplies
    the scores of each text by the number that fits best, so that methods without a scale can be compared; then 0 is a
    linear model.

    Returns (batch,).
    """
    gone = np.zeros((len(scores), samples, scores.shape[1]), bool)
    for own, n, rng in zip(gone, batch.lengths.tolist(), rngs, strict=True):
        own[:, :n] = rng.random((samples, n)) < 0.5
    fall = falls(game(model, batch, target, removal, "logit"), ~gone)
    predicted = (gone * scores[:, None]).sum(axis=2)
    if normalise:
        room = (predicted**2).sum(axis=1)
        predicted *= ((predicted * fall).sum(axis=1) / np.where(room, room, 1))[:, None]
    error: Array = ((predicted - fall) ** 2).mean(axis=1)
    return error
