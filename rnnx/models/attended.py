"""What a model with attention pooling has around its weights: the states that they weigh, and who reads the sum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from rnnx.models.protocols import Array, Attentive, Batch, Differentiable, Integers


@dataclass(frozen=True)
class Attended:
    """logits (B, C) = sum over tokens t and heads k of ``weights[t, k] * gains[t, k]`` + ``bias``.

    weights (B, T, K) of each token by each head: they sum to 1 over the real tokens and are 0 on padding. states
    (B, T, H) are what is weighed; unit j has the weights of head j mod K. w_out (H, C) and bias (C,) are the output
    layer's. In double precision: other weights than the model's are compared to small differences.
    """

    weights: Array
    states: Array
    w_out: Array
    bias: Array

    @cached_property
    def gains(self) -> Array:
        """What each state gives to the logits by each head that has the whole weight on it, (B, T, K, C)."""
        texts, tokens, heads = self.weights.shape
        states, w_out = self.states.reshape(texts, tokens, -1, heads), self.w_out.reshape(-1, heads, len(self.bias))
        found: Array = np.einsum("btuk,ukc->btkc", states, w_out)
        return found

    @property
    def weighed(self) -> Array:
        """The states times their weights, (B, T, H): the output layer reads the sum over the tokens."""
        found: Array = self.states * np.tile(self.weights, self.states.shape[2] // self.weights.shape[2])
        return found


class Attending(Attentive, Differentiable, Protocol):
    """A network whose output layer reads a sum of states, weighed by attention."""

    def attended(self, batch: Batch) -> Attended:
        """The weights, and what they weigh."""

    def gradient_of_states(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """D score / d x (B, T, E) by way of the states alone, the weights held fixed."""
