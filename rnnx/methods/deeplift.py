"""DeepLIFT through recurrent networks, gates included."""

from __future__ import annotations

import numpy as np

from rnnx.methods.baselines import base_vector
from rnnx.methods.completeness import missing
from rnnx.models.protocols import Batch, Diagnosed, Integers, Recurrent
from rnnx.settings import Baseline, Logit


def deeplift(
    model: Recurrent, batch: Batch, target: Integers, *, baseline: Baseline = "zero", of: Logit = "logit"
) -> Diagnosed:
    """What each token gives to the difference between the target's logit and that of a baseline text.

    Shrikumar et al. 2017, the Rescale rule: a squashing function multiplies with the slope between its two values. The
    products of gates and signals, for which the paper has no rule, share their difference out evenly: each factor's
    difference counts times the mean of the other (as Shapley values of two players do). Weights of attention are such
    products too; a maximum whose winner changes is shared by both winners. Positive speaks for the target, negative
    against it. The scores add up to the ``difference`` of the logits; ``residual`` is what is missing, which is
    rounding. ``baseline`` is what stands in for every token: zero, pad, unk or mean.

    Returns (batch, token) scores; padding is 0.
    """
    x = model.embed(batch)
    base = np.broadcast_to(base_vector(model, baseline), x.shape)
    found = model.secants(x, base, batch, target)
    scores = ((x - base) * found.x).sum(-1)
    return Diagnosed(scores, {"difference": found.whole, "residual": missing(found.whole, scores)})
