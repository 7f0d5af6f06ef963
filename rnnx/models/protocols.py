"""What a model offers, as protocols over numpy arrays; methods and orchestration know only these.

Shapes: B texts, T tokens (right-padded), E embedding numbers, H hidden units, C logits (1 for two classes with
a sigmoid); H counts both directions of a network that has two, the forward one's units first. Numbers have the
precision of the weights: single, for a model that was loaded. A model offers what ``provides`` names: "gradients"
for ``Differentiable``, "recurrence" for ``Recurrent``, also "resume" where its ``resume`` works (a network of one
direction), "attention" for ``Attentive``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnx.types import Token

Array = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Texts as ids (B, T), padded on the right with 0, and their lengths (B,)."""

    ids: Integers
    lengths: Integers

    @property
    def mask(self) -> Mask:
        """True for real tokens, (B, T)."""
        return np.arange(self.ids.shape[1]) < self.lengths[:, None]


class Diagnosed(NamedTuple):
    """What a method found, with what helps to judge it: numbers by name, one a text, (B,)."""

    found: Array | dict[str, Array]
    diagnostics: dict[str, Array]


class Classifier(Protocol):
    """Enough for methods that only ask for predictions."""

    @property
    def name(self) -> str:
        """How it was loaded."""

    @property
    def labels(self) -> tuple[str, ...]:
        """One a class."""

    @property
    def provides(self) -> frozenset[str]:
        """What methods can ask of it."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the texts that it was trained on, in the order in which they are joined; none for a text."""

    @property
    def unknown(self) -> int:
        """The id that stands for every unknown token."""

    def tokenize(self, text: str) -> tuple[Token, ...]:
        """The tokens of a text, with offsets."""

    def collate(self, tokens: Sequence[Sequence[Token]]) -> Batch:
        """Tokenised texts as one batch; none may be empty."""

    def encode(self, texts: Sequence[str]) -> Batch:
        """``collate`` of the tokenised texts."""

    def forward(self, batch: Batch) -> Array:
        """Logits (B, C)."""


class Differentiable(Classifier, Protocol):
    """Logits as a function of embeddings, with its gradient."""

    def embed(self, batch: Batch) -> Array:
        """Embeddings (B, T, E)."""

    def logits(self, x: Array, batch: Batch) -> Array:
        """Logits (B, C) from embeddings."""

    def gradient(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """D score / d x, (B, T, E), 0 on padding; ``of`` chooses the score, see ``scores.cotangent``."""


@dataclass(frozen=True)
class State:
    """Where texts stand after some tokens: each layer's state (parts, B, H), and what the pooling remembers."""

    layers: tuple[Array, ...]
    memory: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Steps:
    """The bottom layer of a recurrent network, which reads the embeddings, seen step by step.

    A reverse direction comes to a token from the one after it. states (B, T, parts, H): h, and for an LSTM c,
    after each token. adjoints: d score / d states, same shape, all paths to the output included. jacobians
    (B, T, H, E): dh_t / dx_t of the step alone. pooled (B, H): d score / d the vector that the output layer sees
    (h_T, for a model that reads the last state). gradient (B, T, E): d score / d x.
    """

    states: Array
    adjoints: Array
    jacobians: Array
    pooled: Array
    gradient: Array


@dataclass(frozen=True)
class Activations:
    """A layer's hidden state h after each token, an LSTM's cell state c, and its gates by name, each (B, T, H).

    Gates: input, forget, output and candidate of an LSTM; reset, update and candidate of a GRU; none of a simple
    RNN. A reverse direction has read the text from its end up to this token. Padding is 0.
    """

    h: Array
    c: Array | None
    gates: Mapping[str, Array]


class Recurrent(Differentiable, Protocol):
    """A recurrent network whose states can be seen, and resumed."""

    def resume(self, x: Array, batch: Batch, start: State | None = None) -> tuple[Array, State]:
        """Logits (B, C) after reading x from ``start`` (from the beginning, if None), and where that ends.

        Raises Unsupported where ``provides`` does not say "resume".
        """

    def steps(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Steps:
        """States, adjoints and step Jacobians of every token, in the bottom layer."""

    def states(self, batch: Batch, layer: int = -1) -> Activations:
        """States and gates of every token in a layer: 0 is the bottom one, -1 the top. Raises UnknownName."""


class Attentive(Classifier, Protocol):
    """A model with attention over its tokens."""

    def attention(self, batch: Batch) -> Array:
        """Weights (B, T): they sum to 1 over the real tokens and are 0 on padding."""
