"""A recurrent text classifier in numpy: tokens and vocabulary around a ``Network``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from rnnx.errors import Unsupported
from rnnx.models.attended import Attended
from rnnx.models.batching import distinct
from rnnx.models.encoding import Encoder
from rnnx.models.engine import contextual, line, scrambling
from rnnx.models.engine import layer as layers
from rnnx.models.engine import variants as many
from rnnx.models.engine.memory import memory
from rnnx.models.engine.network import Network, Pass, beside
from rnnx.models.engine.packing import Packing, pieces
from rnnx.models.engine.pooling import Attention, Fixed, Last
from rnnx.models.engine.rules import RELEVANCE, SECANT
from rnnx.models.engine.skipping import skipped
from rnnx.models.protocols import (
    Activations,
    Array,
    Base,
    Batch,
    Decomposition,
    Integers,
    Multipliers,
    Readout,
    State,
    Steps,
)
from rnnx.models.scores import cotangent
from rnnx.models.variants import Variants, plain
from rnnx.text.vocabulary import UNKNOWN, Vocabulary
from rnnx.types import Token

READ = 32_768  # tokens read together, about: with 128 units their states and gates take 130 MB


class Read(NamedTuple):
    """A batch that was read: its embeddings (B, T, E), and the pass over them."""

    batch: Batch
    x: Array
    done: Pass


@dataclass(frozen=True)
class RecurrentClassifier(Encoder):
    """Meets ``Differentiable``, ``Recurrent``, ``Decomposable`` and ``Weighted``, ``Attending`` where its pooling is
    attention, and ``Telescoping`` where the output layer reads the last state of a single gated layer.

    ``fields`` are those of the texts that it was trained on, in the order in which they are joined. ``last`` is a batch
    that it remembers having read.
    """

    name: str
    labels: tuple[str, ...]
    tokenize: Callable[[str], tuple[Token, ...]]
    vocabulary: Vocabulary
    network: Network
    fields: tuple[str, ...] = ()
    last: Read | None = field(default=None, repr=False, compare=False)

    @property
    def provides(self) -> frozenset[str]:
        """What methods can ask of this model."""
        levels, pooling = self.network.levels, self.network.pooling
        gates = levels[0][0].cell.names if len(levels) == 1 and isinstance(pooling, Last) else ()
        has = {
            "resume": self.network.resumable,
            "attention": isinstance(pooling, Attention),
            "attended": isinstance(pooling, Attention),
            "telescoping": bool(gates),
            "cell": "forget" in gates,
        }
        return frozenset(
            {"gradients", "recurrence", "decomposition", "weights", *(name for name, there in has.items() if there)}
        )

    @property
    def unknown(self) -> int:
        """The id of a word that is not in the vocabulary."""
        return UNKNOWN

    def reading(self, batch: Batch) -> RecurrentClassifier:
        """The same model, which has read this batch: what it is asked of it begins with that pass."""
        packing = Packing.of(batch.lengths)
        done = self.network.read(self._inputs(packing.pack(batch.ids), packing), packing)
        return replace(self, last=Read(batch, self.network.embedding[batch.ids], done))

    def embed(self, batch: Batch) -> Array:
        """(B, T, E)."""
        return self.last.x if self.last and self.last.batch is batch else self.network.embedding[batch.ids]

    def forward(self, batch: Batch) -> Array:
        """Logits (B, C)."""
        if self.last and self.last.batch is batch:
            return self.last.done.logits
        logits = np.empty((len(batch.ids), self.network.w_out.shape[1]), self.network.w_out.dtype)
        for rows in pieces(batch.lengths, READ):
            packing = Packing.of(batch.lengths[rows])
            px = self._inputs(packing.pack(batch.ids[rows]), packing)
            logits[rows] = self.network.read(px, packing, keep=False).logits
        return logits

    def _inputs(self, ids: Integers, packing: Packing) -> list[layers.Inputs]:
        """Each word is multiplied with the input weights once, wherever it stands."""
        words, which = distinct(ids)
        turned = which[packing.turned]
        projected = zip(self.network.levels[0], self.network.project(self.network.embedding[words]), strict=True)
        return [layers.looked_up(px, turned if layer.reverse else which) for layer, px in projected]

    def _pass(self, x: Array, batch: Batch) -> Pass:
        """Over embeddings."""
        return self.last.done if self.last and self.last.x is x else self.network.forward(x, batch.lengths)

    def logits(self, x: Array, batch: Batch) -> Array:
        """Logits (B, C) from embeddings (B, T, E)."""
        return self._pass(x, batch).logits

    def gradient(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """D score of the target / d x, (B, T, E)."""
        done = self._pass(x, batch)
        return self.network.backward(done, cotangent(done.logits, target, of))[0]

    def relevance(self, x: Array, batch: Batch, target: Integers) -> Multipliers:
        """Multipliers of layer-wise relevance propagation."""
        done = self._pass(x, batch)
        d = cotangent(done.logits, target, "logit")
        found, bias = self.network.backward(done, d, RELEVANCE)
        return Multipliers(found, bias, ((done.logits - self.network.b_out) * d).sum(1))

    def secants(self, x: Array, base: Array, batch: Batch, target: Integers) -> Multipliers:
        """Multipliers of DeepLIFT."""
        done, before = (self._pass(each, batch) for each in (x, base))
        d = cotangent(done.logits, target, "logit")
        found, bias = self.network.backward(done, d, SECANT, before)
        return Multipliers(found, np.zeros_like(bias), ((done.logits - before.logits) * d).sum(1))

    def slopes(
        self, x: Array, base: Base, batch: Batch, target: Integers, at: Array, of: str = "logit"
    ) -> tuple[Array, Array]:
        """Slopes (B, n, T) and logits (B, n, C) at points of lines from base to x, so many at once as fit."""

        def chosen(logits: Array, texts: Integers) -> Array:
            return cotangent(logits, np.asarray(target)[texts], of)

        return line.slopes(self.network, x, base, batch.lengths, at, chosen, READ)

    def variants(self, variants: Variants) -> Array:
        """Logits (N, C); what variants have in common is computed once, where they have."""
        return many.logits(self.network, variants, UNKNOWN) if many.shares(self.network) else plain(self, variants)

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
        done = self._pass(x, batch)
        d = cotangent(done.logits, target, of)
        dh = np.split(self.network.descend(done, d)[0], len(self.network.levels[0]), axis=1)
        level, runs, restore = self.network.levels[0], done.runs[0], done.packing.restore
        jacobians = [layers.jacobians(layer, run) for layer, run in zip(level, runs, strict=True)]
        adjoints = [layers.adjoints(*each) for each in zip(level, runs, dh, strict=True)]
        return Steps(
            states=restore(beside([run.after for run in runs]).swapaxes(0, 1)),
            adjoints=restore(beside(adjoints).swapaxes(0, 1)),
            jacobians=restore(np.concatenate(jacobians, axis=1)),
            pooled=d @ self.network.w_out.T,
            gradient=self.network.backward(done, d)[0],
        )

    def skipped(self, x: Array, other: Array | None, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """About how much lower the score were without each token, (B, T)."""
        done = self._pass(x, batch)
        dh, _ = self.network.descend(done, cotangent(done.logits, target, of))
        return done.packing.restore(skipped(self.network.levels[0], done.runs[0], dh, other))

    def states(self, batch: Batch, layer: int = -1) -> Activations:
        """States and gates of a layer. Raises UnknownName for a layer that is not there."""
        self.network.check(layer)
        return self._activations(self._pass(self.embed(batch), batch), layer)

    def _activations(self, done: Pass, layer: int) -> Activations:
        level, runs, restore = self.network.levels[layer], done.runs[layer], done.packing.restore
        after = restore(beside([run.after for run in runs]).swapaxes(0, 1))
        gates = [layers.gates(layer, run) for layer, run in zip(level, runs, strict=True)]
        return Activations(
            h=after[:, :, 0],
            c=after[:, :, 1] if after.shape[2] > 1 else None,
            gates={name: restore(beside([g[name] for g in gates])) for name in gates[0]},
        )

    def memory(self, batch: Batch, layer: int = -1) -> Array:
        """How much of each state is left in the one where the reading ends, (B, T, directions, parts)."""
        return memory(self.network, self.embed(batch), batch.lengths, layer)

    def attention(self, batch: Batch) -> Array:
        """Weights (B, T) of each token's state in the pooled vector."""
        done = self._pass(self.embed(batch), batch)
        return done.packing.restore(done.pooled.weights.mean(1))

    def attended(self, batch: Batch) -> Attended:
        """The weights of attention, and what they weigh."""
        network, done = self.network, self._pass(self.embed(batch), batch)
        states = beside([run.h for run in done.runs[-1]])
        weights, h = (done.packing.restore(values).astype(np.float64) for values in (done.pooled.weights, states))
        return Attended(weights, h, network.w_out.astype(np.float64), network.b_out.astype(np.float64))

    def gradient_of_states(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """D score / d x (B, T, E), the weights of attention held fixed."""
        done = self._pass(x, batch)
        fixed = replace(self.network, pooling=Fixed(self.network.pooling))
        return fixed.backward(done, cotangent(done.logits, target, of))[0]

    def decomposition(self, batch: Batch) -> Decomposition:
        """A forward pass, ready to be asked for the shares of any spans."""
        return contextual.decomposition(self.network, self.embed(batch), batch.lengths)

    def readout(self, batch: Batch) -> Readout:
        """The states of the only layer, and how the output layer reads the last ones."""
        network, done = self.network, self._pass(self.embed(batch), batch)
        seen = self._activations(done, 0)
        return Readout(done.logits, network.w_out, network.b_out, network.levels[0][0].size, seen)

    @property
    def parts(self) -> tuple[str, ...]:
        """What has weights, from the output down to the embeddings."""
        return scrambling.parts(self.network)

    def extended(self, rows: Array) -> tuple[RecurrentClassifier, int]:
        """One with more words, and the id of the first of them."""
        table = self.network.embedding
        more = np.concatenate([table, rows.astype(table.dtype)])
        return replace(self, network=replace(self.network, embedding=more), last=None), len(table)

    def scrambled(self, count: int, rng: np.random.Generator) -> RecurrentClassifier:
        """One that has the weights of its first ``count`` parts in random order."""
        return replace(self, network=scrambling.scrambled(self.network, count, rng), last=None)
