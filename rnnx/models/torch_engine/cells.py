"""One step of a recurrent cell, by any rule. The formulas, and the order of the gates, are torch's.

A cell gets the input's and the state's share of the pre-activations, px and ph, both (B, gates·H), and the state, whose
first part is the hidden output h, each (B, H). What a unit gives depends on its own pre-activations and state only.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, Protocol

import torch

from rnnx.models.torch_engine.rules import Rule, Squash, V


class Moment(NamedTuple, Generic[V]):
    """The parts of the state after a step, h and for an LSTM c, and its gates by name."""

    state: tuple[V, ...]
    gates: dict[str, V]


class Cell(Protocol):
    """A step."""

    def __call__(self, rule: Rule[V], px: V, ph: V, state: tuple[V, ...]) -> Moment[V]:
        """The state after it."""


def lstm(rule: Rule[V], px: V, ph: V, state: tuple[V, ...]) -> Moment[V]:
    """C' = f c + i g, h' = o tanh(c')."""
    p_i, p_f, p_g, p_o = (px + ph).chunk(4, -1)
    i, f, o, g = rule.gate(p_i), rule.gate(p_f), rule.output(p_o), rule.squash(torch.tanh, p_g)
    c = rule.settle(rule.times(f, state[1]) + rule.times(i, g))
    h = rule.times(o, rule.squash(torch.tanh, c))
    return Moment((h, c), {"input": i, "forget": f, "output": o, "candidate": g})


def gru(rule: Rule[V], px: V, ph: V, state: tuple[V, ...]) -> Moment[V]:
    """N = tanh(px + r ph), h' = (1 - z) n + z h."""
    (x_r, x_z, x_n), (h_r, h_z, h_n) = px.chunk(3, -1), ph.chunk(3, -1)
    r, z = rule.gate(x_r + h_r), rule.gate(x_z + h_z)
    n = rule.squash(torch.tanh, x_n + rule.times(r, h_n))
    h = rule.settle(rule.times(1 - z, n) + rule.times(z, state[0]))
    return Moment((h,), {"reset": r, "update": z, "candidate": n})


def _simple(squash: Squash) -> Cell:
    def rnn(rule: Rule[V], px: V, ph: V, state: tuple[V, ...]) -> Moment[V]:
        """H' = tanh or relu of px + ph."""
        return Moment((rule.settle(rule.squash(squash, px + ph)),), {})

    return rnn


# By torch's name of the mode: the step, the parts of its state, and its gates.
CELLS: dict[str, tuple[Cell, int, tuple[str, ...]]] = {
    "LSTM": (lstm, 2, ("input", "forget", "output", "candidate")),
    "GRU": (gru, 1, ("reset", "update", "candidate")),
    "RNN_TANH": (_simple(torch.tanh), 1, ()),
    "RNN_RELU": (_simple(torch.relu), 1, ()),
}
