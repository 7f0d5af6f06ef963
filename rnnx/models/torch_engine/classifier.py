"""A recurrent network that rnnx trained, computed by torch: all that the numpy engine serves, also on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from rnnx.errors import Unsupported
from rnnx.models.attended import Attended
from rnnx.models.catalog import ATTENTION
from rnnx.models.protocols import (
    Activations,
    Array,
    Batch,
    Decomposition,
    Integers,
    Mask,
    Multipliers,
    Readout,
    State,
    Steps,
)
from rnnx.models.scores import cotangent
from rnnx.models.torch_adapter import TorchClassifier, array, differentiable
from rnnx.models.torch_engine import jacobians
from rnnx.models.torch_engine.cells import CELLS
from rnnx.models.torch_engine.contextual import shares
from rnnx.models.torch_engine.network import NOTHING, Network, Pass, Reading, Run, Start, beside, unrolled
from rnnx.models.torch_engine.rules import FIXED, GRADIENT, RELEVANCE, SECANT, Backward
from rnnx.models.torch_engine.skipping import skipped


@dataclass(frozen=True)
class TorchRecurrent(TorchClassifier):
    """Meets, beside what any torch module does, ``Recurrent``, ``Decomposable``, ``Attending`` and ``Telescoping``, in
    the same cases and with the same numbers as the numpy engine.

    ``network`` is one as ``rnnx train`` makes it, and ``pooling`` the name of its pooling. What needs to see its steps
    is computed from a copy of its weights, without cuDNN, in single precision at least.
    """

    provides: frozenset[str] = field(init=False)
    pooling: str = field(kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "provides", _provided(self._recurrent, self.pooling))

    def relevance(self, x: Array, batch: Batch, target: Integers) -> Multipliers:
        """Multipliers of layer-wise relevance propagation."""
        with differentiable():
            leaf = self._precise(x).requires_grad_()
            ones = leaf.new_ones(len(x), 1).requires_grad_()
            network, done = self._passed(leaf, batch, RELEVANCE, ones)
            d = self._cotangent(done.logits, target)
            back, bias = torch.autograd.grad(done.logits, [leaf, ones], d)
            whole = ((done.logits - network.b_out) * d).sum(1)
        return Multipliers(array(back) * batch.mask[:, :, None], array(bias)[:, 0], array(whole))

    def secants(self, x: Array, base: Array, batch: Batch, target: Integers) -> Multipliers:
        """Multipliers of DeepLIFT."""
        with differentiable():
            leaf = self._precise(x).requires_grad_()
            both = Batch(np.concatenate([batch.ids] * 2), np.concatenate([batch.lengths] * 2))
            _, done = self._passed(torch.cat([leaf, self._precise(base)]), both, SECANT)
            logits, before = done.logits.chunk(2)
            d = self._cotangent(logits, target)
            (back,) = torch.autograd.grad(logits, leaf, d)
            whole = array(((logits - before) * d).sum(1))
        return Multipliers(array(back) * batch.mask[:, :, None], np.zeros_like(whole), whole)

    def resume(self, x: Array, batch: Batch, start: State | None = None) -> tuple[Array, State]:
        """Logits and final state after reading x from ``start``. Raises Unsupported for both directions."""
        if "resume" not in self.provides:
            raise Unsupported(
                f"{self.name} reads texts in both directions, and cannot go on in the middle of one",
                "use a model of one direction",
            )
        with torch.no_grad():
            begin = NOTHING if start is None else self._begun(start)
            _, done = self._passed(self._precise(x), batch, start=begin)
        layers = tuple(array(run.after[:, -1].swapaxes(0, 1)) for (run,) in done.runs)
        return array(done.logits), State(layers, tuple(map(array, done.pooled.memory)))

    def steps(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Steps:
        """What happens at each token in the bottom layer, which reads the embeddings."""
        with differentiable():
            leaf = self._precise(x).requires_grad_()
            network, done = self._passed(leaf, batch)
            level, runs = network.levels[0], done.runs[0]
            d = self._cotangent(done.logits, target, of)
            adjoints, pooled, back = _adjoints(done, d, done.pooled.vector, leaf)
            found = [jacobians.of_steps(*each) for each in zip(level, runs, strict=True)]
        mask = batch.mask[:, :, None, None]
        return Steps(
            states=array(beside([run.after for run in runs])) * mask,
            adjoints=array(adjoints) * mask,
            jacobians=array(torch.cat(found, 2)) * mask,
            pooled=array(pooled),
            gradient=array(back) * mask[..., 0],
        )

    def skipped(self, x: Array, other: Array | None, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """About how much lower the score were without each token, (B, T)."""
        with differentiable():
            network, done = self._passed(self._precise(x).requires_grad_(), batch)
            (adjoints,) = _adjoints(done, self._cotangent(done.logits, target, of))
        instead = None if other is None else self._precise(other)
        with torch.no_grad():
            return array(skipped(network.levels[0], done.runs[0], adjoints, instead)) * batch.mask

    def states(self, batch: Batch, layer: int = -1) -> Activations:
        """States and gates of a layer. Raises UnknownName for a layer that is not there."""
        network, done = self._read(batch)
        network.check(layer)
        return _activations(done.runs[layer], batch.mask)

    def memory(self, batch: Batch, layer: int = -1) -> Array:
        """How much of each state is left in the one where the reading ends, (B, T, directions, parts)."""
        network, done = self._read(batch)
        network.check(layer)
        found = [
            jacobians.gains(*each, done.real) for each in zip(network.levels[layer], done.runs[layer], strict=True)
        ]
        return array(torch.stack(found, 2))

    def readout(self, batch: Batch) -> Readout:
        """The states of the only layer, and how the output layer reads the last ones."""
        network, done = self._read(batch)
        seen, forwards = _activations(done.runs[0], batch.mask), network.levels[0][0].size
        return Readout(array(done.logits), array(network.w_out.T), array(network.b_out), forwards, seen)

    def attended(self, batch: Batch) -> Attended:
        """The weights of attention, and what they weigh, in double precision."""
        network, done = self._read(batch, torch.double)
        mask = batch.mask[:, :, None]
        states = beside([run.after[:, :, 0] for run in done.runs[-1]])
        weights, h = (array(values) * mask for values in (done.pooled.weights, states))
        return Attended(weights, h, array(network.w_out.T), array(network.b_out))

    def gradient_of_states(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        """D score / d x (B, T, E), the weights of attention held fixed."""
        with differentiable():
            leaf = self._precise(x).requires_grad_()
            _, done = self._passed(leaf, batch, FIXED)
            (found,) = torch.autograd.grad(done.logits, leaf, self._cotangent(done.logits, target, of))
        return array(found) * batch.mask[:, :, None]

    def decomposition(self, batch: Batch) -> Decomposition:
        """A forward pass in double precision, ready to be asked for the shares of any spans."""
        network, done = self._read(batch, torch.double)

        def share(texts: Integers, spans: Mask) -> Array:
            inside = torch.as_tensor(spans, device=done.real.device)
            with torch.no_grad():
                return array(shares(network, done, self._integers(texts), inside))

        return Decomposition(array(done.logits), array(network.b_out), share)

    def _read(self, batch: Batch, dtype: torch.dtype = torch.float32) -> tuple[Network, Pass]:
        """The network, in this precision at least, and what it did, without a way back."""
        with torch.inference_mode(False), torch.no_grad():
            x = self._precise(self.embed(batch))
            return self._passed(x.to(torch.promote_types(x.dtype, dtype)), batch)

    def _passed(
        self, x: Tensor, batch: Batch, rule: Backward = GRADIENT, ones: Tensor | None = None, start: Start = NOTHING
    ) -> tuple[Network, Pass]:
        """The network, in the precision of x, and what it did by a rule."""
        network = unrolled(self.network, self.pooling, x.dtype)
        return network, network.forward(x, Reading.of(x, self._integers(batch.lengths), rule, ones), start)

    def _begun(self, start: State) -> Start:
        return Start([self._precise(part) for part in start.layers], tuple(map(self._precise, start.memory)))

    def _precise(self, values: Array) -> Tensor:
        """A leaf, in single precision at least: in half of it, sums along a text lose too much."""
        return self._floats(values, torch.promote_types(self._weight.dtype, torch.float32))

    def _cotangent(self, logits: Tensor, target: Integers, of: str = "logit") -> Tensor:
        return torch.as_tensor(cotangent(array(logits), target, of)).to(logits)

    @property
    def _recurrent(self) -> nn.RNNBase:
        return cast(nn.RNNBase, self.network.get_submodule("recurrent"))


def _adjoints(done: Pass, d: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """D score / d the states of the bottom layer (B, T, parts, H), and by ``others``."""
    runs = done.runs[0]
    after = [part for run in runs for step in run.steps for part in step.state]
    flows = torch.autograd.grad(done.logits, [*after, *others], d, materialize_grads=True)
    adjoints = torch.stack(flows[: len(after)]).view(len(runs), len(runs[0].steps), -1, *flows[0].shape)
    return adjoints.permute(3, 1, 2, 0, 4).flatten(3), *flows[len(after) :]


def _activations(runs: Sequence[Run], mask: Mask) -> Activations:
    """Of the directions of a layer."""
    real = mask[:, :, None]
    h, *c = (array(part) * real for part in beside([run.after for run in runs]).unbind(2))
    gates = {name: array(beside([run.gates(name) for run in runs])) * real for name in runs[0].steps[0].gates}
    return Activations(h, c[0] if c else None, gates)


def _provided(recurrent: nn.RNNBase, pooling: str) -> frozenset[str]:
    """What methods can ask of such a network."""
    gates = CELLS[recurrent.mode][2] if recurrent.num_layers == 1 and pooling == "last" else ()
    has = {
        "resume": not recurrent.bidirectional,
        "attention": pooling in ATTENTION,
        "attended": pooling in ATTENTION,
        "telescoping": bool(gates),
        "cell": "forget" in gates,
    }
    return frozenset({"gradients", "recurrence", "decomposition", *(name for name, there in has.items() if there)})
