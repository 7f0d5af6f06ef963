"""From the hidden states of a text to one vector, and backwards.

``forward`` gets h (T, B, H), a mask (T, B) of real tokens, and what an earlier call left of the tokens
before these (its memory), so that a text can be resumed in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rnnx.models.protocols import Array, Mask

Memory = tuple[Array, ...]


@dataclass(frozen=True)
class Pooled:
    """``vector`` (B, H), ``weights`` (T, B) of each token in it, ``memory`` for resuming, and saved arrays."""

    vector: Array
    weights: Array
    memory: Memory
    saved: tuple[Array, ...] = ()


class Pooling(Protocol):
    """A way to pool."""

    def forward(self, h: Array, mask: Mask, memory: Memory = ()) -> Pooled:
        """Pool these states together with what ``memory`` keeps of earlier ones."""

    def backward(self, d: Array, h: Array, pooled: Pooled) -> Array:
        """D score / d vector (B, H) to d score / d h (T, B, H)."""


class Last:
    """The hidden state after the last token (the article's h_T)."""

    def forward(self, h: Array, mask: Mask, memory: Memory = ()) -> Pooled:
        """The states already repeat the last one to the end."""
        weights = np.zeros(mask.shape, h.dtype)
        weights[mask.sum(0) - 1, np.arange(mask.shape[1])] = 1
        return Pooled(h[-1], weights, ())

    def backward(self, d: Array, h: Array, pooled: Pooled) -> Array:
        """All of it goes to the last token."""
        return pooled.weights[:, :, None] * d


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
