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
    """``vector`` (B, H), ``weights`` (N, K) of each token in it, ``memory`` for resuming, and saved arrays.

    Of several heads, K > 1, each weighs the tokens for units of its own: unit j belongs to head j mod K, so that every
    head has units of both directions.
    """

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
        weights = np.zeros((len(h), 1), h.dtype)
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
        return Pooled(total / count[:, None], 1 / count[packing.rows, None], (count, total))

    def backward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule = GRADIENT) -> Array:
        """To all alike."""
        shared: Array = tops[0][1].weights * d[packing.rows]
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
        return Pooled(vector, weights[:, None], (vector,), (winners, fresh))

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
class Fixed:
    """The weights as they are: of a pass backwards that asks what the states do, not what moves the weights."""

    pooling: Pooling

    def forward(self, h: Array, packing: Packing, memory: Memory = ()) -> Pooled:
        """As the pooling does."""
        return self.pooling.forward(h, packing, memory)

    def backward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule = GRADIENT) -> Array:
        """Through the weighted states alone."""
        return by_unit(tops[0][1].weights, d.shape[1]) * d[packing.rows]


@dataclass(frozen=True)
class Hidden:
    """The hidden layer of additive attention, tanh(h w + b): w (H, A), b (A,)."""

    w: Array
    b: Array


@dataclass(frozen=True)
class Attention:
    """Attention with learned queries (K, as many as there are heads): weights = softmax over the tokens of the scores,
    vector = sum of weighted states.

    Additive (Bahdanau et al. 2015; a learned query: Yang et al. 2016; several over one hidden layer: Lin et al. 2017):
    score_t = q . tanh(W h_t + b). Without a hidden layer it is scaled dot-product attention (Vaswani et al. 2017), the
    states themselves being the keys as in Jain & Wallace 2019: score_t = q . h_t / sqrt(H), where ``queries`` have the
    scale in them. The memory is the largest score, the softmax's denominator and its numerator.
    """

    queries: Array  # (A, K), or (H, K)
    hidden: Hidden | None = None

    def forward(self, h: Array, packing: Packing, memory: Memory = ()) -> Pooled:
        """Softmax over the tokens, earlier ones included."""
        keys = h if self.hidden is None else np.tanh(h @ self.hidden.w + self.hidden.b)
        scores, units = keys @ self.queries, h.shape[1]
        top, total, summed = memory or (np.full((len(packing.order), scores.shape[1]), -np.inf, h.dtype), 0, 0)
        highest = np.maximum(packing.grid(scores, padding=-np.inf).max(0), top)
        e = np.exp(scores - highest[packing.rows])
        kept = np.exp(top - highest)
        total = kept * total + packing.total(e)
        summed = by_unit(kept, units) * summed + packing.total(by_unit(e, units) * h)
        memory = (highest, total, summed)
        return Pooled(summed / by_unit(total, units), e / total[packing.rows], memory, (keys, scores))

    def backward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule = GRADIENT) -> Array:
        """Through the weighted states, and through the weights."""
        d = d[packing.rows]
        direct: Array = by_unit(rule.factor([p.weights for _, p in tops]), d.shape[1]) * d
        keys = self._reward(d, tops, packing, rule) @ self.queries.T
        if self.hidden is None:
            return direct + keys
        w, b = self.hidden.w, self.hidden.b
        u = [h @ w + b for h, _ in tops] if rule.sees else ()
        slope = rule.slope([p.saved[0] for _, p in tops], u, lambda y: 1 - y * y)
        return direct + (keys * slope) @ w.T

    def _reward(self, d: Array, tops: Sequence[Top], packing: Packing, rule: Rule) -> Array:
        """D score / d attention score, (N, K): the weights count as gates.

        Between two runs a softmax changes by dw_t = m_t (ds_t - sum of m ds / sum of m), exactly, m_t being the
        logarithmic mean of the two weights.
        """
        (h, pooled), rows = tops[0], packing.rows
        heads = pooled.weights.shape[1]
        if not rule.sees:
            reward: Array = by_head((h - pooled.vector[rows]) * d, heads) * pooled.weights
            return reward
        if not rule.base:
            return np.zeros_like(pooled.weights)
        gain = by_head(rule.factor([h for h, _ in tops]) * d, heads)  # what a weight is worth
        weights = [_softmax(p.saved[1], packing) for _, p in tops]
        m = rule.slope([w for w, _ in weights], [log for _, log in weights], lambda w: w)  # (w - w0) / (log w - log w0)
        shared: Array = m * (gain - (packing.total(m * gain) / packing.total(m))[rows])
        return shared


def by_unit(values: Array, units: int) -> Array:
    """Values (…, K) of heads for each of so many units, (…, H), or (…, 1) of one head for all."""
    return values if values.shape[-1] == 1 else np.tile(values, units // values.shape[-1])


def by_head(values: Array, heads: int) -> Array:
    """The sums of values (N, H) over each head's units, (N, K)."""
    total: Array = values.reshape(len(values), -1, heads).sum(1)
    return total


def _softmax(scores: Array, packing: Packing) -> tuple[Array, Array]:
    """Weights over the tokens of each row, and their logarithms."""
    shifted = scores - packing.grid(scores, padding=-np.inf).max(0)[packing.rows]
    total = packing.total(np.exp(shifted))[packing.rows]
    return np.exp(shifted) / total, shifted - np.log(total)
