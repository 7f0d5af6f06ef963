"""From the hidden states of a text to one vector, and backwards.

``forward`` gets h (T, B, H), a mask (T, B) of real tokens, and what an earlier call left of the tokens
before these (its memory), so that a text can be resumed in the middle. ``backward`` gets the states and what
``forward`` made of them, and for a rule with a baseline those of the run over it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnx.models.engine.rules import GRADIENT, Rule
from rnnx.models.protocols import Array, Mask

Memory = tuple[Array, ...]


@dataclass(frozen=True)
class Pooled:
    """``vector`` (B, H), ``weights`` (T, B) of each token in it, ``memory`` for resuming, and saved arrays."""

    vector: Array
    weights: Array
    memory: Memory
    saved: tuple[NDArray[Any], ...] = ()


Top = tuple[Array, Pooled]  # states, and what was made of them


class Pooling(Protocol):
    """A way to pool."""

    def forward(self, h: Array, mask: Mask, memory: Memory = ()) -> Pooled:
        """Pool these states together with what ``memory`` keeps of earlier ones."""

    def backward(self, d: Array, tops: Sequence[Top], rule: Rule = GRADIENT) -> Array:
        """D score / d vector (B, H) to d score / d h (T, B, H)."""


@dataclass(frozen=True)
class Last:
    """The state where the reading ends (the article's h_T).

    That is after the last token; for a reverse direction, whose units follow the first ``forwards`` ones, it is
    after the first token. ``weights`` are shares of the units.
    """

    forwards: int

    def forward(self, h: Array, mask: Mask, memory: Memory = ()) -> Pooled:
        """States read forwards repeat the last one to the end."""
        size, rows = self.forwards, np.arange(mask.shape[1])
        share = size / h.shape[2]
        weights = np.zeros(mask.shape, h.dtype)
        weights[mask.sum(0) - 1, rows] = share
        weights[0] += 1 - share
        return Pooled(np.concatenate([h[-1, :, :size], h[0, :, size:]], axis=1), weights, (), (mask.sum(0) - 1,))

    def backward(self, d: Array, tops: Sequence[Top], rule: Rule = GRADIENT) -> Array:
        """All of it goes to the last token, or the first."""
        h, pooled = tops[0]
        (last,) = pooled.saved
        size, grad = self.forwards, np.zeros_like(h)
        grad[last, np.arange(len(last)), :size] = d[:, :size]
        grad[0, :, size:] = d[:, size:]
        return grad


class Mean:
    """The mean of the states. The memory is their number and their sum."""

    def forward(self, h: Array, mask: Mask, memory: Memory = ()) -> Pooled:
        """Over the real tokens, earlier ones included."""
        count, total = memory or (np.zeros_like(h[0, :, 0]), 0)
        count = count + mask.sum(0, dtype=h.dtype)
        total = total + (h * mask[:, :, None]).sum(0)
        return Pooled(total / count[:, None], mask / count, (count, total))

    def backward(self, d: Array, tops: Sequence[Top], rule: Rule = GRADIENT) -> Array:
        """To all alike."""
        return tops[0][1].weights[:, :, None] * d


class Max:
    """Each unit's largest value. ``weights`` are the shares of the units whose largest value is the token's.

    Of equal ones the first counts. The memory is the values; those that no later token exceeds are nobody's here.
    """

    def forward(self, h: Array, mask: Mask, memory: Memory = ()) -> Pooled:
        """Over the real tokens, earlier ones included."""
        real = np.where(mask[:, :, None], h, -np.inf).astype(h.dtype, copy=False)
        vector, first = real.max(0), np.arange(len(h))[:, None, None] == real.argmax(0)
        if memory:
            first &= vector > memory[0]
            vector = np.maximum(vector, memory[0])
        return Pooled(vector, first.mean(2, dtype=h.dtype), (vector,), (first,))

    def backward(self, d: Array, tops: Sequence[Top], rule: Rule = GRADIENT) -> Array:
        """Each unit's share goes to its token.

        With a baseline, whose largest value may be another token's: to both, so that their changes make up the change
        of the largest value, which lies between the two.
        """
        winners = [pooled.saved[0] for _, pooled in tops]
        if not rule.base:
            grad: Array = winners[0] * d
            return grad
        (h, now), (h0, before) = tops
        rise, fall = ((first * (h - h0)).sum(0) for first in winners)
        apart = np.where(rise > fall, rise - fall, 1)
        share = np.where(rise > fall, (now.vector - before.vector - fall) / apart, 0.5)
        shared: Array = (share * winners[0] + (1 - share) * winners[1]) * d
        return shared


@dataclass(frozen=True)
class Attention:
    """Additive attention (Bahdanau et al. 2015, with a learned query as in Yang et al. 2016).

    score_t = v · tanh(W h_t + b), weights = softmax of the scores, vector = sum of weighted states. The
    memory is the largest score, the softmax's denominator and its numerator.
    """

    w: Array  # (H, A)
    b: Array  # (A,)
    v: Array  # (A,)

    def forward(self, h: Array, mask: Mask, memory: Memory = ()) -> Pooled:
        """Softmax over the real tokens, earlier ones included."""
        hidden = np.tanh(h @ self.w + self.b)
        scores = np.where(mask, hidden @ self.v, -np.inf)
        top, total, summed = memory or (np.full_like(h[0, :, 0], -np.inf), 0, 0)
        highest = np.maximum(scores.max(0), top)
        e = np.exp(scores - highest)
        kept = np.exp(top - highest)
        total = kept * total + e.sum(0)
        summed = kept[:, None] * summed + (e[:, :, None] * h).sum(0)
        return Pooled(summed / total[:, None], e / total, (highest, total, summed), (hidden, scores))

    def backward(self, d: Array, tops: Sequence[Top], rule: Rule = GRADIENT) -> Array:
        """Through the weighted states, and through the weights."""
        direct: Array = rule.factor([p.weights for _, p in tops])[:, :, None] * d
        u = [h @ self.w + self.b for h, _ in tops] if rule.sees else ()
        slope = rule.slope([p.saved[0] for _, p in tops], u, lambda y: 1 - y * y)
        grad: Array = direct + (self._reward(d, tops, rule)[:, :, None] * self.v * slope) @ self.w.T
        return grad

    def _reward(self, d: Array, tops: Sequence[Top], rule: Rule) -> Array:
        """D score / d attention score, (T, B): the weights count as gates.

        Between two runs a softmax changes by dw_t = m_t (ds_t - sum of m ds / sum of m), exactly, m_t being the
        logarithmic mean of the two weights.
        """
        h, pooled = tops[0]
        if not rule.sees:
            reward: Array = ((h - pooled.vector) * d).sum(-1) * pooled.weights
            return reward
        if not rule.base:
            return np.zeros_like(pooled.weights)
        gain = (rule.factor([h for h, _ in tops]) * d).sum(-1)  # what a weight is worth
        weights = [_softmax(p.saved[1]) for _, p in tops]
        m = rule.slope([w for w, _ in weights], [log for _, log in weights], lambda w: w)  # (w - w0) / (log w - log w0)
        shared: Array = m * (gain - (m * gain).sum(0) / m.sum(0))
        return shared


def _softmax(scores: Array) -> tuple[Array, Array]:
    """Weights over the first axis and their logarithms; padding, at -inf, has the weight 0 and the logarithm 0."""
    shifted = scores - scores.max(0)
    total = np.exp(shifted).sum(0)
    return np.exp(shifted) / total, np.where(np.isinf(scores), 0, shifted - np.log(total))
