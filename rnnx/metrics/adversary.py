"""The attention weights that differ most from a model's own, and with which it says the same.

Jain & Wallace 2019: several candidates a text at once, by their relaxed objective and Adam. Where the farthest there
are can be computed, they are candidates too (``rnnx.metrics.corners``): the optimiser often stays far behind them.
"""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import numpy as np

from rnnx.metrics.corners import corner
from rnnx.metrics.reweighing import logits, said, variation
from rnnx.models.attended import Attended
from rnnx.models.protocols import Array, Batch
from rnnx.models.seeds import Rngs

CANDIDATES, STEPS = 5, 500  # as in the paper
RATE, PENALTY = 0.1, 50.0  # the paper's 0.01 and 500 stay far behind, see benchmarks/adversary.py
FALL = 1.0  # by what share the rate falls to the end; else where it ends depends on how numbers are rounded
TOLERANCE = 0.01  # by how much the prediction may change: the paper's for classifiers
HALVINGS = 30
SMALL = 1e-12  # a weight below this counts as this in a logarithm


class Adversary(NamedTuple):
    """Other weights (B, T, K), how far they are from the model's, ``divergence`` (B,), Jensen and Shannon's in nats, at
    most log 2, the mean over the heads, and the ``change`` of the prediction with them (B,), at most the tolerance.
    """

    weights: Array
    divergence: Array
    change: Array


def adversary(found: Attended, batch: Batch, rngs: Rngs, tolerance: float = TOLERANCE) -> Adversary:
    """The weights that differ most while the prediction changes by no more than ``tolerance`` (total variation).

    The optimiser only hopes to keep the constraint. What comes back has kept it: of each candidate the part of the way
    from the model's weights that does so is taken, measured on the weights themselves, and of all candidates the
    farthest. The model's own weights, at divergence 0, are always one of them.
    """
    tokens, heads = found.weights.shape[1:]
    start = np.zeros((len(rngs), CANDIDATES, tokens, heads))
    for i, (n, rng) in enumerate(zip(batch.lengths, rngs, strict=True)):
        start[i, :, :n] = rng.standard_normal((CANDIDATES, n, heads))
    candidates = _ascended(found, batch, start, tolerance)
    if (farthest := corner(found, batch, tolerance)) is not None:
        candidates = np.concatenate([candidates, farthest[:, None]], axis=1)
    candidates = np.concatenate([found.weights[:, None], _kept(found, candidates, tolerance)], axis=1)
    far = divergence(candidates, found.weights[:, None])
    chosen, texts = far.argmax(1), np.arange(len(far))
    best = candidates[texts, chosen]
    return Adversary(best, far[texts, chosen], variation(found, best[:, None])[:, 0])


def divergence(one: Array, other: Array) -> Array:
    """Jensen-Shannon divergence of weights (…, T, K), the mean over the heads, (…)."""
    middle = _log((one + other) / 2)
    apart = one * (_log(one) - middle) + other * (_log(other) - middle)
    found: Array = apart.sum(-2).mean(-1) / 2
    return found.clip(0)


def _ascended(found: Attended, batch: Batch, at: Array, tolerance: float) -> Array:
    """Weights (B, candidates, T, K) after steps of Adam from their logarithms ``at``: of each candidate the farthest
    that kept the tolerance on the way, and where none did the last.
    """
    mean, square, best = np.zeros_like(at), np.zeros_like(at), np.full(at.shape[:2], -1.0)
    kept = weights = _softmax(at, batch)
    for step in range(1, STEPS + 1):
        far = np.where(variation(found, weights) <= tolerance, divergence(weights, found.weights[:, None]), -1)
        kept = np.where((far > best)[..., None, None], weights, kept)
        best = np.maximum(far, best)
        slope = _gradient(found, weights, tolerance)
        slope = weights * (slope - (weights * slope).sum(2, keepdims=True))
        mean += 0.1 * (slope - mean)
        square += 0.001 * (slope * slope - square)
        rate = RATE * (1 - FALL * step / STEPS)
        at = at + rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        weights = _softmax(at, batch)
    return np.where((best < 0)[..., None, None], weights, kept)


def _softmax(at: Array, batch: Batch) -> Array:
    masked = np.where(batch.mask[:, None, :, None], at, -np.inf)
    e = np.exp(masked - masked.max(2, keepdims=True))
    weights: Array = e / e.sum(2, keepdims=True)
    return weights


def _gradient(found: Attended, weights: Array, tolerance: float) -> Array:
    """Of the objective by the weights: the sum of the k candidates' divergences from the model's weights, plus those of
    all pairs over k (k - 1), less the mean penalty on what the prediction changes by beyond the tolerance.
    """
    count, heads = weights.shape[1], weights.shape[3]
    slope: Array = _apart(weights, found.weights[:, None])
    each = (_apart(weights, weights[:, i : i + 1]) for i in range(count))
    slope = (slope + reduce(np.add, each) / (count * (count - 1))) / heads
    before, after = said(logits(found, found.weights[:, None])), said(logits(found, weights))
    too_far = np.abs(after - before).sum(-1) / 2 > tolerance
    sign = np.sign(after - before) / 2
    by_logit = after * (sign - (sign * after).sum(-1, keepdims=True))
    by_logit = by_logit[..., -len(found.bias) :] * too_far[..., None]  # two classes may share one logit
    gains = found.gains.reshape(len(weights), -1, len(found.bias))
    slope -= PENALTY / count * (by_logit @ gains.swapaxes(1, 2)).reshape(weights.shape)
    return slope


def _apart(one: Array, other: Array) -> Array:
    """D divergence / d ``one``, of each head."""
    slope: Array = (_log(one) - _log((one + other) / 2)) / 2
    return slope


def _log(weights: Array) -> Array:
    logarithms: Array = np.log(np.maximum(weights, SMALL))
    return logarithms


def _kept(found: Attended, weights: Array, tolerance: float) -> Array:
    """Of each candidate (B, N, T, K) the farthest point that is found on the way to it and keeps the tolerance.

    It is found by halving, from 0 on, the model's own weights; a hair below the tolerance, for what is measured on the
    result may be rounded otherwise.
    """
    own, tolerance = found.weights[:, None], tolerance * (1 - 1e-9)

    def on_the_way(share: Array) -> Array:
        way: Array = own + share[..., None, None] * (weights - own)
        return way

    low, high = np.zeros(weights.shape[:2]), np.ones(weights.shape[:2])
    low = np.where(variation(found, weights) <= tolerance, high, low)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        keeps = variation(found, on_the_way(middle)) <= tolerance
        low, high = np.where(keeps, middle, low), np.where(keeps, high, middle)
    return on_the_way(low)
