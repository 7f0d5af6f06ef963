"""What a model says with other attention weights on the same states."""

from __future__ import annotations

import numpy as np

from rnnx.methods.attention import slopes
from rnnx.models.attended import Attended
from rnnx.models.protocols import Array, Batch, Integers
from rnnx.models.scores import cotangent, probabilities
from rnnx.models.seeds import Rngs

DRAWS = 100


def logits(found: Attended, weights: Array) -> Array:
    """Logits (B, N, C) with N other weights of each text, (B, N, T, K)."""
    texts, count = weights.shape[:2]
    gains = found.gains.reshape(texts, -1, len(found.bias))
    given: Array = weights.reshape(texts, count, -1) @ gains + found.bias
    return given


def said(logits: Array) -> Array:
    """Probabilities of any logits (…, C)."""
    return probabilities(logits.reshape(-1, logits.shape[-1])).reshape(*logits.shape[:-1], -1)


def variation(found: Attended, weights: Array) -> Array:
    """By how much other weights (B, N, T, K) change the prediction, (B, N): the total variation distance, half the sum
    of the absolute changes of the probabilities; of two classes, the change of the probability.
    """
    before, after = said(logits(found, found.weights[:, None])), said(logits(found, weights))
    changes: Array = np.abs(after - before).sum(-1) / 2
    return changes


def permuted(found: Attended, batch: Batch, rngs: Rngs, draws: int = DRAWS) -> Array:
    """The median change of the prediction, of ``draws`` orders in which each text's weights are dealt out, (B,).

    Jain & Wallace 2019. Near 0 it does not matter which token has which weight. A token's weights of several heads
    stay together.
    """
    weights = np.zeros((len(rngs), draws, *found.weights.shape[1:]))
    for i, (n, rng) in enumerate(zip(batch.lengths, rngs, strict=True)):
        order = rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)
        weights[i, :, :n] = found.weights[i, order]
    medians: Array = np.median(variation(found, weights), axis=1)
    return medians


def uniform(found: Attended, batch: Batch) -> Array:
    """The change of the prediction with the same weight for every token, (B,)."""
    same = (batch.mask / batch.lengths[:, None])[:, None, :, None]
    return variation(found, np.broadcast_to(same, (len(same), 1, *found.weights.shape[1:])))[:, 0]


def erased(found: Attended, batch: Batch, rngs: Rngs, draws: int = DRAWS) -> dict[str, Array]:
    """The share of a text's tokens whose weights must be erased before the decision changes, in four orders; (B,) each.

    Serrano & Smith 2019. The largest first, by the weight itself (``attention``), by the gradient of the decision's
    logit by the weight (``gradient``), by their product, or in ``random`` order, the mean of ``draws``. The other
    weights are scaled up to 1 again; one token is always left. 1 where the decision never changes.
    """
    own = logits(found, found.weights[:, None])[:, 0]
    decision = probabilities(own).argmax(1)
    slope = slopes(found, cotangent(own, decision, "logit"))
    by = {"attention": found.weights, "gradient": slope, "product": found.weights * slope}
    shares = {name: _flips(found, batch, scores.mean(2)[:, None], decision)[:, 0] for name, scores in by.items()}
    drawn = np.zeros((len(rngs), draws, batch.ids.shape[1]))
    for i, rng in enumerate(rngs):
        drawn[i, :, : batch.lengths[i]] = rng.random((draws, batch.lengths[i]))
    return shares | {"random": _flips(found, batch, drawn, decision).mean(1)}


def _flips(found: Attended, batch: Batch, scores: Array, decision: Integers) -> Array:
    """Of each text and order, the largest scores (B, N, T) first, the share erased before the decision changes."""
    flips = np.empty(scores.shape[:2])
    weighed = found.weights[..., None] * found.gains  # (B, T, K, C)
    for i, n in enumerate(batch.lengths.tolist()):
        order = np.argsort(-scores[i, :, :n], axis=1, kind="stable")[:, ::-1]  # what is left longest comes first
        total = found.weights[i, order].cumsum(1)[..., None]
        shares = weighed[i, order].cumsum(1) / np.where(total > 0, total, 1)  # by head; 0 where no weight is left
        left = said(shares.sum(2) + found.bias).argmax(-1)[:, ::-1]
        changed = np.ones(left.shape, bool)  # nothing is left after n tokens
        changed[:, :-1] = left[:, 1:] != decision[i]
        flips[i] = (changed.argmax(1) + 1) / n
    return flips
