"""A recurrent text classifier in numpy: tokens and vocabulary around a ``Network``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rnnx.errors import DataError
from rnnx.models.engine import layer as layers
from rnnx.models.engine.network import Network
from rnnx.models.engine.pooling import Attention
from rnnx.models.protocols import Array, Batch, Integers, State, Steps
from rnnx.models.scores import cotangent
from rnnx.text.vocabulary import UNKNOWN, Vocabulary
from rnnx.types import Token


@dataclass(frozen=True)
class RecurrentClassifier:
    """Meets ``Differentiable`` and ``Recurrent``, and ``Attentive`` where its pooling is attention."""

    name: str
    labels: tuple[str, ...]
    tokenize: Callable[[str], tuple[Token, ...]]
    vocabulary: Vocabulary
    network: Network

    @property
    def provides(self) -> frozenset[str]:
        """What methods can ask of this model."""
        has_attention = isinstance(self.network.pooling, Attention)
        return frozenset({"gradients", "recurrence"} | ({"attention"} if has_attention else set()))

    @property
    def unknown(self) -> int:
        """The id of a word that is not in the vocabulary."""
        return UNKNOWN

    def collate(self, tokens: Sequence[Sequence[Token]]) -> Batch:
        """Ids padded on the right. Raises DataError for a text without tokens."""
        lengths = np.array([len(t) for t in tokens], dtype=np.int64)
        if not lengths.all():
            raise DataError("a text has no words in it", "give at least one word")
        ids = np.zeros((len(tokens), lengths.max(initial=0)), dtype=np.int64)
        for row, text in zip(ids, tokens, strict=True):
            row[: len(text)] = self.vocabulary.ids(text)
        return Batch(ids, lengths)

    def encode(self, texts: Sequence[str]) -> Batch:
        """Texts as ids. Raises DataError for a text without tokens, TypeError for one string."""
        if isinstance(texts, str):
            raise TypeError("texts is one string; give a list")
        return self.collate([self.tokenize(text) for text in texts])

    def embed(self, batch: Batch) -> Array:
        """(B, T, E)."""
        return self.network.embedding[batch.ids]

    def forward(self, batch: Batch) -> Array:
        """Logits (B, C)."""
        return self.logits(self.embed(batch), batch)

    def logits(self, x: Array, batch: Batch) -> Array:
        """Logits (B, C) from embeddings (B, T, E)."""
        return self.network.forward(x, batch.lengths).logits

    def gradient(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """D score of the target / d x, (B, T, E)."""
        done = self.network.forward(x, batch.lengths)
        return self.network.backward(done, cotangent(done.logits, target, of))[0]

    def resume(self, x: Array, batch: Batch, start: State | None = None) -> tuple[Array, State]:
        """Logits and final state after reading x from ``start``."""
        done = self.network.forward(x, batch.lengths, start)
        return done.logits, done.state

    def steps(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Steps:
        """What happens at each token of the top layer."""
        done = self.network.forward(x, batch.lengths)
        d = cotangent(done.logits, target, of)
        gradient, adjoints = self.network.backward(done, d)
        run = done.runs[-1]
        return Steps(
            states=done.restore(run.states[1:].swapaxes(1, 2)),
            adjoints=done.restore(adjoints[-1].swapaxes(1, 2)),
            jacobians=done.restore(layers.jacobians(self.network.layers[-1], run)),
            pooled=d @ self.network.w_out.T,
            gradient=gradient,
        )

    def attention(self, batch: Batch) -> Array:
        """Weights (B, T) of each token's state in the pooled vector."""
        done = self.network.forward(self.embed(batch), batch.lengths)
        return done.restore(done.pooled.weights)
