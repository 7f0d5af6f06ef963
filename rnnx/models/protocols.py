"""What a model offers, as protocols over numpy arrays; methods and orchestration know only these.

Shapes: B texts, T tokens (right-padded), E embedding numbers, H hidden units, C logits (1 for two classes with
a sigmoid); H counts both directions of a network that has two, the forward one's units first. Numbers have the
precision of the weights: single, for a model that was loaded. A model offers what ``provides`` names: "gradients"
for ``Differentiable``, "recurrence" for ``Recurrent``, also "resume" where its ``resume`` works (a network of one
direction), "attention" for ``Attentive``, "decomposition" for ``Decomposable``, "telescoping" for ``Telescoping``,
also "cell" where its states have a cell state, "weights" for ``Weighted``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnx.errors import Unsupported
from rnnx.text.sentences import sentences
from rnnx.types import Token

Array = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Texts as ids (B, T), padded on the right with 0, and their lengths (B,); and their tokens, where known."""

    ids: Integers
    lengths: Integers
    tokens: Sequence[Sequence[Token]] = ()

    @property
    def mask(self) -> Mask:
        """True for real tokens, (B, T)."""
        return np.arange(self.ids.shape[1]) < self.lengths[:, None]

    def sentences(self) -> list[list[int]]:
        """The number of each token's sentence, text by text. Raises Unsupported where the tokens are not known."""
        if len(self.tokens) < len(self.ids):
            raise Unsupported("sentences are known only of texts, not of ids", "make the batch by encode or collate")
        return [sentences(text) for text in self.tokens]


@dataclass(frozen=True)
class Spans:
    """What a view found about N spans of a batch: span n is the tokens ``start[n]`` to before ``stop[n]`` of text
    ``text[n]``. ``score`` and ``interaction`` as in ``rnnx.types.Phrase``.
    """

    text: Integers
    start: Integers
    stop: Integers
    score: Array
    interaction: Array


Found = Array | dict[str, Array] | Spans  # scores, columns by name, or spans


class Diagnosed(NamedTuple):
    """What a method found, with what helps to judge it: numbers by name, one a text, (B,)."""

    found: Found
    diagnostics: dict[str, Array]


class Base(NamedTuple):
    """Where lines to texts begin: embeddings ``rows`` (K, E), and which of them stands in for each token, ``which``, an
    array that fits (B, n, T) for n lines to each of B texts.
    """

    rows: Array
    which: Integers


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

    def collate(self, tokens: Sequence[Sequence[Token]], texts: Sequence[str] = ()) -> Batch:
        """Tokenised texts as one batch; none may be empty. A model of whole strings needs the ``texts`` too."""

    def encode(self, texts: Sequence[str]) -> Batch:
        """``collate`` of the tokenised texts."""

    def forward(self, batch: Batch) -> Array:
        """Logits (B, C)."""


class Differentiable(Classifier, Protocol):
    """Logits as a function of embeddings, with its gradient."""

    @property
    def word_ids(self) -> Integers:
        """The ids of all words, without the special ones; the most frequent first, where the model knows."""

    def embed(self, batch: Batch) -> Array:
        """Embeddings (B, T, E)."""

    def logits(self, x: Array, batch: Batch) -> Array:
        """Logits (B, C) from embeddings."""

    def gradient(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """D score / d x, (B, T, E), 0 on padding; ``of`` chooses the score, see ``scores.cotangent``."""

    def slopes(
        self, x: Array, base: Base, batch: Batch, target: Integers, at: Array, of: str = "logit"
    ) -> tuple[Array, Array]:
        """Along straight lines from ``base`` to x, at the shares ``at`` (B, n) of them, 0 the base, 1 x.

        Each token's slope (x_t - base_t) . d score / d x_t, (B, n, T), 0 on padding, and the logits (B, n, C).
        """


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
class Multipliers:
    """What a backward pass by another rule than the gradient's gives.

    x (B, T, E): what a unit of an embedding (or of its difference from the baseline) is worth; 0 on padding. bias
    (B,): what the biases below the output get. whole (B,): what is shared out, the target's logit without the output
    bias, or its difference from that of the baseline.
    """

    x: Array
    bias: Array
    whole: Array


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

    def skipped(self, x: Array, other: Array | None, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """About how much lower the score were without each token: to the first order in the bottom layer's states.

        (B, T), 0 on padding. ``other`` (E,) is read in the token's place, or nothing is if it is None.
        """

    def relevance(self, x: Array, batch: Batch, target: Integers) -> Multipliers:
        """Multipliers of layer-wise relevance propagation: gates are no sources, tanh(z) is worth tanh(z) / z."""

    def secants(self, x: Array, base: Array, batch: Batch, target: Integers) -> Multipliers:
        """Multipliers of DeepLIFT: slopes between x and a baseline (B, T, E), function by function."""

    def states(self, batch: Batch, layer: int = -1) -> Activations:
        """States and gates of every token in a layer: 0 is the bottom one, -1 the top. Raises UnknownName."""

    def memory(self, batch: Batch, layer: int = -1) -> Array:
        """The largest singular values of dh_end / d the state after each token, (B, T, directions, parts).

        h_end is a direction's h where its reading ends: after the last token, or the first; the parts of the state are
        h, and for an LSTM c, each with the other held fixed. Only the layer's own recurrence counts. Padding is
        0. Raises UnknownName for a layer that is not there.
        """


class Attentive(Classifier, Protocol):
    """A model with attention over its tokens."""

    def attention(self, batch: Batch) -> Array:
        """Weights (B, T): they sum to 1 over the real tokens and are 0 on padding."""


@dataclass(frozen=True)
class Decomposition:
    """A forward pass that can be split: logits (B, C) = bias (C,) + share of a span + share of all other tokens.

    ``share`` takes N spans at once, span n a set of tokens of text ``texts[n]`` as a mask: texts (N,) and masks
    (N, T) to (2, N, C), the share of each span and that of the others. All tokens together have all but the bias, no
    tokens have nothing. Each of the two is computed for itself: what they lack of the logits are lost digits.
    """

    logits: Array
    bias: Array
    share: Callable[[Integers, Mask], Array]


class Decomposable(Classifier, Protocol):
    """A model whose logits can be split between the tokens of a span and all others."""

    def decomposition(self, batch: Batch) -> Decomposition:
        """A forward pass, ready to be asked for the shares of any spans."""


@dataclass(frozen=True)
class Readout:
    """What the output layer reads of one recurrent layer: logits (B, C) = h_end (B, H) @ weights (H, C) + bias (C,).

    h_end is the state after the last token, and for the units after the first ``forwards`` ones, which read from
    the end, after the first token.
    """

    logits: Array
    weights: Array
    bias: Array
    forwards: int
    activations: Activations


class Telescoping(Classifier, Protocol):
    """One layer of gated units, read where it ends: what it ends in is the sum of its changes from step to step."""

    def readout(self, batch: Batch) -> Readout:
        """The states and gates of every token, and how the output layer reads the last ones."""


class Weighted(Differentiable, Protocol):
    """A model of which there can be others with other weights; it stays as it is itself."""

    @property
    def parts(self) -> tuple[str, ...]:
        """What has weights, from the output down to the embeddings."""

    def extended(self, rows: Array) -> tuple[Weighted, int]:
        """One with more words, whose embeddings are ``rows`` (N, E), and the id of the first of them."""

    def scrambled(self, count: int, rng: np.random.Generator) -> Weighted:
        """One that has the weights of its first ``count`` parts in random order."""
