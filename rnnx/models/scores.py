"""From logits to what people ask about: probabilities, and the score of a target class.

Two classes with one logit z and a sigmoid count as the two logits (0, z): the target "negative" is -z, so
that a positive contribution always speaks for the target.
"""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array, Integers


def probabilities(logits: Array) -> Array:
    """(B, C) logits to (B, classes) probabilities: sigmoid of one logit, softmax of several."""
    full = np.concatenate([np.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits
    e = np.exp(full - full.max(axis=1, keepdims=True))
    p: Array = e / e.sum(axis=1, keepdims=True)
    return p


def cotangent(logits: Array, target: Integers, of: str) -> Array:
    """D score / d logits, (B, C), for the score that ``of`` names.

    logit: the target's logit (its negation for class 0 of a sigmoid). prob: the target's probability.
    loss: the log of that probability, that is the cross-entropy loss with its sign turned, so that positive
    still speaks for the target.
    """
    p, target = probabilities(logits), np.asarray(target)
    rows = np.arange(len(p))
    chosen = np.zeros_like(p)
    chosen[rows, target] = 1
    if of == "logit":
        sign = np.where(target == 1, 1, -1)[:, None].astype(logits.dtype)
        return sign if logits.shape[1] == 1 else chosen
    grad = chosen - p  # d log p_target / d logits
    if of == "prob":
        grad = grad * p[rows, target][:, None]
    return grad[:, 1:] if logits.shape[1] == 1 else grad
