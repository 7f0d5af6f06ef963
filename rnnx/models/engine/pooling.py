"""From the hidden states of a text to one vector, and backwards.

``forward`` gets h (T, B, H), a mask (T, B) of real tokens, and what an earlier call left of the tokens
before these (its memory), so that a text can be resumed in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnx.models.protocols import Array, Mask

Memory = tuple[Array, ...]


@dataclass(frozen=True)
class Pooled:
    """``vector`` (B, H), ``weights`` (T, B) of each token in it, ``memory`` for resuming, and saved arrays."""

    vector: Array
    weights: Array
    memory: Memory
    saved: tuple[NDArray[Any], ...] = ()


class Pooling(Protocol):
    """A way to pool."""

    def forward(self, h: Array, mask: Mask, memory: Memory = ()) -> Pooled:
        """Pool these states together with what ``memory`` keeps of earlier ones."""

    def backward(self, d: Array, h: Array, pooled: Pooled) -> Array:
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

    def backward(self, d: Array, h: Array, pooled: Pooled) -> Array:
        """All of it goes to the last token, or the first."""
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

    def backward(self, d: Array, h: Array, pooled: Pooled) -> Array:
        """To all alike."""
        return pooled.weights[:, :, None] * d


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

    def backward(self, d: Array, h: Array, pooled: Pooled) -> Array:
        """Each unit's share goes to its token."""
        (first,) = pooled.saved
        grad: Array = first * d
        return grad


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
        return Pooled(summed / total[:, None], e / total, (highest, total, summed), (hidden,))

    def backward(self, d: Array, h: Array, pooled: Pooled) -> Array:
        """Through the weighted states, and through the weights."""
        (hidden,) = pooled.saved
        reward = ((h - pooled.vector) * d).sum(-1) * pooled.weights  # d score / d attention score
        through = reward[:, :, None] * (self.v * (1 - hidden * hidden))
        grad: Array = pooled.weights[:, :, None] * d + through @ self.w.T
        return grad
