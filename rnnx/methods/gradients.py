"""Gradients of the output with respect to each token's embedding: the article's s(x_t) = ||dy / dx_t||."""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array, Batch, Differentiable, Integers
from rnnx.settings import Norm, Of

NORMS = {
    "l2": lambda g: np.sqrt((g * g).sum(-1)),
    "l1": lambda g: np.abs(g).sum(-1),
    "squared": lambda g: (g * g).sum(-1),
    "max": lambda g: np.abs(g).max(-1),
    "sum": lambda g: g.sum(-1),
}


def grad(model: Differentiable, batch: Batch, target: Integers, *, norm: Norm = "l2", of: Of = "logit") -> Array:
    """How strongly the target's score reacts to a small change of each token's embedding.

    Simonyan et al. 2014 (saliency); Li et al. 2016 for text. The score of token t is the size of the gradient
    d score / d x_t over the embedding's dimensions: ``l2`` its length, ``l1`` the sum of absolute values,
    ``squared`` the sum of squares, ``max`` the largest absolute value. These have no sign: they say how much,
    not for or against. ``sum`` adds the gradient up as it is, what happens when all dimensions grow alike;
    it can be negative, which is not "against the target" either. ``of`` is what is differentiated: the
    target's logit, its probability (nearly 0 everywhere when the model is certain), or its loss, sign turned
    so that positive speaks for the target. The scores do not add up to anything.

    Returns (batch, token) scores; padding is 0.
    """
    gradient = model.gradient(model.embed(batch), batch, target, of)
    scores: Array = NORMS[norm](gradient)
    return scores


def grad_x_input(model: Differentiable, batch: Batch, target: Integers, *, of: Of = "logit") -> Array:
    """The first-order estimate of what each token contributes to the target's score.

    Shrikumar et al. 2016 (gradient x input); Denil et al. 2014 for text. The score of token t is x_t . d score
    / d x_t, the linear estimate of the change from a zero embedding to this one. Positive speaks for the
    target, negative against it. The scores add up to the score only if the model is linear. ``of`` as in
    ``grad``.

    Returns (batch, token) scores; padding is 0.
    """
    x = model.embed(batch)
    scores: Array = (x * model.gradient(x, batch, target, of)).sum(-1)
    return scores
