"""From logits to what people ask about: probabilities, and the score of a target class.

Two classes with one logit z and a sigmoid count as the two logits (0, z): the target "negative" is -z, so
that a positive contribution always speaks for the target.
"""

from __future__ import annotations

import numpy as np

from rnnx.models.protocols import Array, Integers


def probabilities(logits: Array) -> Array:
    """(B, C) logits to (B, classes) probabilities: sigmoid of one logit, softmax of several."""
    full = _full(logits)
    e = np.exp(full - full.max(axis=1, keepdims=True))
    p: Array = e / e.sum(axis=1, keepdims=True)
    return p


def score(logits: Array, target: Integers, of: str) -> Array:
    """The score that ``of`` names, (B,), in double precision: what ``cotangent`` is the derivative of."""
    logits, rows = logits.astype(np.float64), np.arange(len(logits))
    if of == "prob":
        p: Array = probabilities(logits)[rows, target]
        return p
    chosen: Array = _full(logits)[rows, target]
    if of == "loss":
        chosen -= np.logaddexp.reduce(_full(logits), axis=1)
    elif logits.shape[1] == 1:
        chosen -= _full(logits)[rows, 1 - target]
    return chosen


def _full(logits: Array) -> Array:
    """One logit a class: z of a sigmoid is (0, z)."""
    return np.concatenate([np.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits


def cotangent(logits: Array, target: Integers, of: str) -> Array:
    """D score / d logits, (B, C), for the score that ``of`` names.

    logit: the target's logit (its negation for class 0 of a sigmoid). prob: the target's probability.
    loss: the log of that probability, that is the cross-entropy loss with its sign turned, so that positive
    still speaks for the target.
    """
    p, target = probabilities(logits), np.asarray(target)
    rows = np.arange(len(p))
    if of == "logit":
        grad = np.zeros_like(p)
        grad[rows, target] = 1
        return grad[:, 1:] - grad[:, :1] if logits.shape[1] == 1 else grad
    if of not in ("prob", "loss"):
        raise ValueError(f"of must be logit, prob or loss, not {of!r}")
    grad = -p  # d log p_target / d logits = chosen - p; 1 - p_target as a sum, which keeps its digits near 1
    grad[rows, target] = 0
    grad[rows, target] = -grad.sum(axis=1)
    if of == "prob":
        grad *= p[rows, target][:, None]
    return grad[:, 1:] if logits.shape[1] == 1 else grad
