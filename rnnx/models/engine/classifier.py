"""A recurrent text classifier in numpy: tokens and vocabulary around a ``Network``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rnnx.errors import DataError, UnknownName, Unsupported
from rnnx.models.engine import layer as layers
from rnnx.models.engine.network import Network, beside
from rnnx.models.engine.pooling import Attention
from rnnx.models.protocols import Activations, Array, Batch, Integers, State, Steps
from rnnx.models.scores import cotangent
from rnnx.text.vocabulary import UNKNOWN, Vocabulary
from rnnx.types import Token


@dataclass(frozen=True)
class RecurrentClassifier:
    """Meets ``Differentiable`` and ``Recurrent``, and ``Attentive`` where its pooling is attention.

    ``fields`` are those of the texts that it was trained on, in the order in which they are joined.
    """

    name: str
    labels: tuple[str, ...]
    tokenize: Callable[[str], tuple[Token, ...]]
    vocabulary: Vocabulary
    network: Network
    fields: tuple[str, ...] = ()

    @property
    def provides(self) -> frozenset[str]:
        """What methods can ask of this model."""
        has = {"resume": self.network.resumable, "attention": isinstance(self.network.pooling, Attention)}
        return frozenset({"gradients", "recurrence", *(name for name, there in has.items() if there)})

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
            row[: len(text)] = self.vocabulary.ids([token.text for token in text])
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
        """Logits and final state after reading x from ``start``. Raises Unsupported for both directions."""
        done = self.network.forward(x, batch.lengths, start)
        if done.state is None:
            raise Unsupported(
                f"{self.name} reads texts in both directions, and cannot go on in the middle of one",
                "use a model of one direction",
            )
        return done.logits, done.state

    def steps(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Steps:
        """What happens at each token in the bottom layer, which reads the embeddings."""
        done = self.network.forward(x, batch.lengths)
        d = cotangent(done.logits, target, of)
        gradient, adjoints = self.network.backward(done, d)
        level, runs = self.network.levels[0], done.runs[0]
        jacobians = [layers.jacobians(layer, run) for layer, run in zip(level, runs, strict=True)]
        return Steps(
            states=done.restore(beside([run.after for run in runs]).swapaxes(1, 2)),
            adjoints=done.restore(beside(adjoints).swapaxes(1, 2)),
            jacobians=done.restore(np.concatenate(jacobians, axis=2)),
            pooled=d @ self.network.w_out.T,
            gradient=gradient,
        )

    def states(self, batch: Batch, layer: int = -1) -> Activations:
        """States and gates of a layer. Raises UnknownName for a layer that is not there."""
        levels = self.network.levels
        if not -len(levels) <= layer < len(levels):
            raise UnknownName("layer", layer, map(str, range(len(levels))))
        done = self.network.forward(self.embed(batch), batch.lengths)
        level, runs = levels[layer], done.runs[layer]
        after = np.where(batch.mask[:, :, None, None], done.restore(beside([r.after for r in runs]).swapaxes(1, 2)), 0)
        gates = [layers.gates(layer, run) for layer, run in zip(level, runs, strict=True)]
        return Activations(
            h=after[:, :, 0],
            c=after[:, :, 1] if after.shape[2] > 1 else None,
            gates={name: done.restore(beside([g[name] for g in gates])) for name in gates[0]},
        )

    def attention(self, batch: Batch) -> Array:
        """Weights (B, T) of each token's state in the pooled vector."""
        done = self.network.forward(self.embed(batch), batch.lengths)
        return done.restore(done.pooled.weights)
