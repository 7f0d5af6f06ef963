"""From the hidden states of a text to one vector, and backwards.

``forward`` gets h (N, H), one row a token (see ``packing``), and what an earlier call left of the tokens before these
(its memory), so that a text can be resumed in the middle. ``backward`` gets the states and what ``forward`` made of
them, and for a rule with a baseline those of the run over it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnx.models.engine.packing import Packing
from rnnx.models.engine.rules import GRADIENT, Rule
from rnnx.models.protocols import Array

Memory = tuple[Array, ...]


@dataclass(frozen=True)
class Pooled:
    """``vector`` (B, H), ``weights`` (N,) of each token in it, ``memory`` for resuming, and saved arrays."""

    vector: Array
    weights: Array
    memory: Memory
    saved: tuple[NDArray[Any], ...] = ()


Top = tuple[Array, Pooled]  # states, and what was made of them


class Pooling(Protocol):
    """A way to pool."""

    def forward(self, h: Array, packing: Packing, memory: Memory = ()) -> Pooled:
        """Pool these states together with what ``memory`` keeps of earlier ones."""

    def backward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule = GRADIENT) -> Array:
        """D score / d vector (B, H) to d score / d h (N, H)."""


@dataclass(frozen=True)
class Last:
    """The state where the reading ends (the article's h_T).

    That is after the last token; for a reverse direction, whose units follow the first ``forwards`` ones, it is
    after the first token. ``weights`` are shares of the units.
    """

    forwards: int

    def forward(self, h: Array, packing: Packing, memory: Memory = ()) -> Pooled:
        """The first tokens are the first rows."""
        size, rows = self.forwards, len(packing.order)
        share = size / h.shape[1]
        weights = np.zeros(len(h), h.dtype)
        weights[packing.last] = share
        weights[:rows] += 1 - share
        return Pooled(np.concatenate([h[packing.last, :size], h[:rows, size:]], axis=1), weights, ())

    def backward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule = GRADIENT) -> Array:
        """All of it goes to the last token, or the first."""
        size, grad = self.forwards, np.zeros_like(tops[0][0])
        grad[packing.last, :size] = d[:, :size]
        grad[: len(d), size:] = d[:, size:]
        return grad


class Mean:
    """The mean of the states. The memory is their number and their sum."""

    def forward(self, h: Array, packing: Packing, memory: Memory = ()) -> Pooled:
        """Over the tokens, earlier ones included."""
        count, total = memory or (np.zeros_like(h[:1, 0]), 0)
        count = count + packing.lengths.astype(h.dtype)
        total = total + packing.total(h)
        return Pooled(total / count[:, None], 1 / count[packing.rows], (count, total))

    def backward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule = GRADIENT) -> Array:
        """To all alike."""
        shared: Array = tops[0][1].weights[:, None] * d[packing.rows]
        return shared


class Max:
    """Each unit's largest value. ``weights`` are the shares of the units whose largest value is the token's.

    Of equal ones the first counts. The memory is the values; those that no later token exceeds are nobody's here.
    Saved are the winners, (B, H), and whether the value is theirs, or an earlier token's that is remembered.
    """

    def forward(self, h: Array, packing: Packing, memory: Memory = ()) -> Pooled:
        """Over the tokens, earlier ones included."""
        grid = packing.grid(h, padding=-np.inf)
        winners = packing.at(grid.argmax(0), np.arange(len(packing.order))[:, None])
        vector, fresh = grid.max(0), np.ones(winners.shape, bool)
        if memory:
            fresh = vector > memory[0]
            vector = np.maximum(vector, memory[0])
        weights = np.bincount(winners[fresh], minlength=len(h)).astype(h.dtype) / h.shape[1]
        return Pooled(vector, weights, (vector,), (winners, fresh))

    def backward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule = GRADIENT) -> Array:
        """Each unit's share goes to its token.

        With a baseline, whose largest value may be another token's: to both, so that their changes make up the change
        of the largest value, which lies between the two.
        """
        grad, units = np.zeros_like(tops[0][0]), np.arange(d.shape[1])
        winners = [pooled.saved[0] for _, pooled in tops]
        if not rule.base:
            grad[winners[0], units] = d * tops[0][1].saved[1]
            return grad
        (h, now), (h0, before) = tops
        rise, fall = ((h - h0)[winner, units] for winner in winners)
        apart = np.where(rise > fall, rise - fall, 1)
        share = np.where(rise > fall, (now.vector - before.vector - fall) / apart, 0.5)
        grad[winners[0], units] = share * d
        grad[winners[1], units] += (1 - share) * d
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

    def forward(self, h: Array, packing: Packing, memory: Memory = ()) -> Pooled:
        """Softmax over the tokens, earlier ones included."""
        hidden = np.tanh(h @ self.w + self.b)
        scores = hidden @ self.v
        top, total, summed = memory or (np.full(len(packing.order), -np.inf, h.dtype), 0, 0)
        highest = np.maximum(packing.grid(scores, padding=-np.inf).max(0), top)
        e = np.exp(scores - highest[packing.rows])
        kept = np.exp(top - highest)
        total = kept * total + packing.total(e)
        summed = kept[:, None] * summed + packing.total(e[:, None] * h)
        memory = (highest, total, summed)
        return Pooled(summed / total[:, None], e / total[packing.rows], memory, (hidden, scores))

    def backward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule = GRADIENT) -> Array:
        """Through the weighted states, and through the weights."""
        d = d[packing.rows]
        direct: Array = rule.factor([p.weights for _, p in tops])[:, None] * d
        u = [h @ self.w + self.b for h, _ in tops] if rule.sees else ()
        slope = rule.slope([p.saved[0] for _, p in tops], u, lambda y: 1 - y * y)
        grad: Array = direct + (self._reward(d, tops, packing, rule)[:, None] * self.v * slope) @ self.w.T
        return grad

    def _reward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule) -> Array:
        """D score / d attention score, (N,): the weights count as gates.

        Between two runs a softmax changes by dw_t = m_t (ds_t - sum of m ds / sum of m), exactly, m_t being the
        logarithmic mean of the two weights.
        """
        (h, pooled), rows = tops[0], packing.rows
        if not rule.sees:
            reward: Array = np.einsum("nh,nh->n", h - pooled.vector[rows], d) * pooled.weights
            return reward
        if not rule.base:
            return np.zeros_like(pooled.weights)
        gain = (rule.factor([h for h, _ in tops]) * d).sum(-1)  # what a weight is worth
        weights = [_softmax(p.saved[1], packing) for _, p in tops]
        m = rule.slope([w for w, _ in weights], [log for _, log in weights], lambda w: w)  # (w - w0) / (log w - log w0)
        shared: Array = m * (gain - (packing.total(m * gain) / packing.total(m))[rows])
        return shared


def _softmax(scores: Array, packing: Packing) -> tuple[Array, Array]:
    """Weights over the tokens of each row, and their logarithms."""
    shifted = scores - packing.grid(scores, padding=-np.inf).max(0)[packing.rows]
    total = packing.total(np.exp(shifted))[packing.rows]
    return np.exp(shifted) / total, shifted - np.log(total)
