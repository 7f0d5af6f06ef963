"""One step of a recurrent cell, and the backward of that step.

A cell sees n rows at a time. ``step`` gets the input's and the state's share of the pre-activations, px and
ph, both (n, gates·H), and the state (parts, n, H), whose first part is the hidden output h. It fills
``saved``, (n, saved·H), with what ``back`` needs. The formulas are torch's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rnnx.models.protocols import Array


class Cell(Protocol):
    """``parts``, ``gates`` and ``saved`` are counted in blocks of H numbers; ``names`` are of the first saved ones.

    The step works unit by unit: what a unit gives depends on its own pre-activations and its own state.
    """

    @property
    def parts(self) -> int:
        """Of the state: h, and for an LSTM c."""

    @property
    def gates(self) -> int:
        """Pre-activations of a unit."""

    @property
    def saved(self) -> int:
        """Numbers that a unit's step leaves for its backward."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the first blocks of ``saved`` are called, where they are gates."""

    def arrange(self, weight: Array) -> Array:
        """Torch's rows of a weight or bias, (gates·H, …), in the order and scale that ``step`` expects."""

    def step(self, px: Array, ph: Array, state: Array, saved: Array) -> tuple[Array, ...]:
        """The parts of the next state."""

    def back(self, d: Array, saved: Array, before: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """From d score / d next state: d / d px, d / d ph, and what reaches the previous state past ph.

        ``before`` is the state that the step started from. None of the results may alias ``saved``.
        """


class LSTM:
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000).

    The parts of the state are h and c. Gates are kept in the order i, f, o, g, and the pre-activations of
    i, f, o at half size, so that one tanh serves all four: sigma(p) = 1/2 + tanh(p / 2) / 2.
    """

    parts, gates, saved = 2, 4, 5  # saved: i, f, o, g, tanh(c)
    names = ("input", "forget", "output", "candidate")

    def arrange(self, weight: Array) -> Array:
        """Torch stores i, f, g, o."""
        i, f, g, o = np.split(weight, 4)
        return np.concatenate([i / 2, f / 2, o / 2, g])

    def step(self, px: Array, ph: Array, state: Array, saved: Array) -> tuple[Array, ...]:
        """C' = f c + i g, h' = o tanh(c')."""
        size = state.shape[2]
        activations = saved[:, : 4 * size]
        np.tanh(px + ph, out=activations)
        _to_sigmoid(activations[:, : 3 * size])
        i, f, o, g, squashed = np.split(saved, 5, axis=1)
        c = f * state[1] + i * g
        np.tanh(c, out=squashed)
        return o * squashed, c

    def back(self, d: Array, saved: Array, before: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """The share of h goes through o and tanh(c'), that of c' through f, i and g."""
        i, f, o, g, squashed = np.split(saved, 5, axis=1)
        dh, dc = d
        dc = dc + dh * o * (1 - squashed * squashed)
        slopes = 2 * (i * (1 - i)), 2 * (f * (1 - f)), 2 * (o * (1 - o)), 1 - g * g  # 2: half-size p
        sources = dc * g, dc * before[1], dh * squashed, dc * i
        dp = np.concatenate([s * k for s, k in zip(sources, slopes, strict=True)], axis=1)
        return dp, dp, (np.zeros_like(dh), dc * f)


class GRU:
    """Gated recurrent unit (Cho et al. 2014), the reset gate after the product with the state's weights.

    Pre-activations of r and z are kept at half size, as for the LSTM.
    """

    parts, gates, saved = 1, 3, 4  # saved: r, z, n, and the state's share of n
    names = ("reset", "update", "candidate")

    def arrange(self, weight: Array) -> Array:
        """Torch stores r, z, n."""
        r, z, n = np.split(weight, 3)
        return np.concatenate([r / 2, z / 2, n])

    def step(self, px: Array, ph: Array, state: Array, saved: Array) -> tuple[Array, ...]:
        """N = tanh(px + r ph), h' = (1 - z) n + z h."""
        size = state.shape[2]
        sigmoids = saved[:, : 2 * size]
        np.tanh(px[:, : 2 * size] + ph[:, : 2 * size], out=sigmoids)
        _to_sigmoid(sigmoids)
        r, z, n, share = np.split(saved, 4, axis=1)
        share[:] = ph[:, 2 * size :]
        np.tanh(px[:, 2 * size :] + r * share, out=n)
        return (n + z * (state[0] - n),)

    def back(self, d: Array, saved: Array, before: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """Through z, through n, and through n's r; z h goes past all of them."""
        r, z, n, share = np.split(saved, 4, axis=1)
        dh, h = d[0], before[0]
        dn = dh * (1 - z) * (1 - n * n)
        dr = dn * share * (2 * r * (1 - r))
        dz = dh * (h - n) * (2 * z * (1 - z))
        return np.concatenate([dr, dz, dn], axis=1), np.concatenate([dr, dz, dn * r], axis=1), (dh * z,)


@dataclass(frozen=True)
class RNN:
    """The simple recurrent network (Elman 1990): h' = tanh or relu of px + ph."""

    relu: bool = False
    parts, gates, saved = 1, 1, 1  # saved: h'
    names = ()

    def arrange(self, weight: Array) -> Array:
        """As it is."""
        return weight

    def step(self, px: Array, ph: Array, state: Array, saved: Array) -> tuple[Array, ...]:
        """H' = tanh(px + ph), or its positive part."""
        if self.relu:
            np.maximum(px + ph, 0, out=saved)
        else:
            np.tanh(px + ph, out=saved)
        return (saved,)

    def back(self, d: Array, saved: Array, before: Array) -> tuple[Array, Array, tuple[Array, ...]]:
        """The slope can be told from h' itself; nothing goes past the pre-activation."""
        dp = d[0] * ((saved > 0) if self.relu else (1 - saved * saved))
        return dp, dp, (np.zeros_like(dp),)


def _to_sigmoid(tanh_of_half: Array) -> None:
    """In place."""
    tanh_of_half *= 0.5
    tanh_of_half += 0.5


CELLS: dict[str, Cell] = {"lstm": LSTM(), "gru": GRU(), "rnn": RNN(), "rnn-relu": RNN(relu=True)}
