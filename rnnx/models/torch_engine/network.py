"""The layers of a network that rnnx trained, run step by step along a batch of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn

from rnnx.errors import UnknownName
from rnnx.models.torch_engine.cells import CELLS, Cell, Moment
from rnnx.models.torch_engine.pooling import POOLINGS, Memory, Pooled, Pooling
from rnnx.models.torch_engine.rules import GRADIENT, Backward


@dataclass(frozen=True)
class Layer:
    """A direction of a layer: its cell, and torch's weights w (gates·H, E) for the input and u (gates·H, H) for the
    state, with their biases.
    """

    cell: Cell
    parts: int
    w: Tensor
    u: Tensor
    w_bias: Tensor
    u_bias: Tensor
    reverse: bool

    @property
    def size(self) -> int:
        """H."""
        return self.u.shape[1]

    def order(self, steps: int) -> range:
        """The steps in the order of reading."""
        return range(steps)[:: -1 if self.reverse else 1]


@dataclass(frozen=True)
class Reading:
    """How texts are read: which tokens are ``real`` (B, T), by which rule, and ``ones`` (B, 1), a factor of all biases
    below the output: the derivative by it is their share.
    """

    real: Tensor
    rule: Backward
    ones: Tensor

    @classmethod
    def of(cls, x: Tensor, lengths: Tensor, rule: Backward = GRADIENT, ones: Tensor | None = None) -> Reading:
        """Texts of these lengths, of embeddings x (B, T, E)."""
        real = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        return cls(real, rule, x.new_ones(len(x), 1) if ones is None else ones)


@dataclass(frozen=True)
class Start:
    """Where texts stand before the first token: the state (parts, B, H) of each level, none for zeros, and what the
    pooling remembers.
    """

    layers: Sequence[Tensor] = ()
    memory: Memory = ()


NOTHING = Start()


@dataclass(frozen=True)
class Run:
    """What a layer's direction did: the input's share of the pre-activations px (B, T, gates·H), and ``steps``, one a
    token. A row that is not running keeps its state, so that padding has the last one, read backwards 0.
    """

    px: Tensor
    steps: Sequence[Moment[Tensor]]

    @cached_property
    def after(self) -> Tensor:
        """The states, (B, T, parts, H)."""
        return torch.stack([torch.stack(step.state, 1) for step in self.steps], 1)

    def gates(self, name: str) -> Tensor:
        """A gate's values, (B, T, H)."""
        return torch.stack([step.gates[name] for step in self.steps], 1)


@dataclass(frozen=True)
class Pass:
    """A forward pass over the ``real`` tokens (B, T): logits (B, C), the runs, one a level and direction, and what was
    pooled.
    """

    real: Tensor
    logits: Tensor
    runs: Sequence[Sequence[Run]]
    pooled: Pooled


@dataclass(frozen=True)
class Network:
    """The levels, each of one or two directions, the pooling, and the output layer."""

    levels: Sequence[Sequence[Layer]]
    pooling: Pooling
    w_out: Tensor
    b_out: Tensor

    def check(self, layer: int) -> None:
        """Raise UnknownName for a layer that is not there."""
        if not -len(self.levels) <= layer < len(self.levels):
            raise UnknownName("layer", layer, map(str, range(len(self.levels))))

    def forward(self, x: Tensor, reading: Reading, start: Start = NOTHING) -> Pass:
        """Read embeddings x (B, T, E)."""
        runs: list[list[Run]] = []
        for i, level in enumerate(self.levels):
            begin = start.layers[i].unbind() if start.layers else ()
            runs.append([run(layer, x, reading, begin) for layer in level])
            x = beside([done.after[:, :, 0] for done in runs[-1]])
        pooled = self.pooling(x, reading.real, reading.rule, start.memory)
        return Pass(reading.real, pooled.vector @ self.w_out.T + self.b_out, runs, pooled)


def run(layer: Layer, x: Tensor, reading: Reading, start: tuple[Tensor, ...] = ()) -> Run:
    """Read x (B, T, E), from a state of zeros if there is no other."""
    px = x @ layer.w.T + (reading.ones * layer.w_bias)[:, None]
    inputs, u_bias = px.unbind(1), reading.ones * layer.u_bias
    state = start or (x.new_zeros(len(x), layer.size),) * layer.parts
    steps: dict[int, Moment[Tensor]] = {}
    for t in layer.order(len(inputs)):
        new, gates = layer.cell(reading.rule, inputs[t], state[0] @ layer.u.T + u_bias, state)
        state = tuple(torch.where(reading.real[:, t, None], *both) for both in zip(new, state, strict=True))
        steps[t] = Moment(state, gates)
    return Run(px, [steps[t] for t in range(len(inputs))])


def beside(directions: Sequence[Tensor]) -> Tensor:
    """Side by side along the units, the last axis."""
    return directions[0] if len(directions) == 1 else torch.cat(list(directions), -1)


def unrolled(network: nn.Module, pooling: str, dtype: torch.dtype) -> Network:
    """A network as ``rnnx train`` makes it, from the embeddings on, with a copy of its weights."""
    named = ((name, weight) for name, weight in network.named_parameters() if not name.startswith("embedding."))
    weights = {name: weight.detach().to(dtype, copy=True) for name, weight in named}
    recurrent = cast(nn.RNNBase, network.get_submodule("recurrent"))
    cell, parts, _ = CELLS[recurrent.mode]

    def layer(name: str) -> Layer:
        names = (f"recurrent.{part}_{name}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        w, u, w_bias, u_bias = (weights[name] for name in names)
        return Layer(cell, parts, w, u, w_bias, u_bias, reverse=name.endswith("_reverse"))

    directions = ("", "_reverse") if recurrent.bidirectional else ("",)
    levels = [[layer(f"l{i}{direction}") for direction in directions] for i in range(recurrent.num_layers)]
    pool = POOLINGS[pooling](weights, recurrent.hidden_size)
    return Network(levels, pool, weights["output.weight"], weights["output.bias"])
