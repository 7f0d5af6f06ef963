"""One step of a recurrent cell, and the backward of that step.

A cell sees n rows at a time. ``step`` gets the input's and the state's share of the pre-activations, px and
ph, both (n, gates·H), and the state (parts, n, H), whose first part is the hidden output h. It fills
``saved``, (n, saved·H), with what ``back`` needs.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rnnx.models.protocols import Array


class Cell(Protocol):
    """``parts``, ``gates`` and ``saved`` are counted in blocks of H numbers.

    The step works unit by unit: what a unit gives depends on its own pre-activations and its own state.
    """

    parts: int
    gates: int
    saved: int

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

    def arrange(self, weight: Array) -> Array:
        """Torch stores i, f, g, o."""
        i, f, g, o = np.split(weight, 4)
        return np.concatenate([i / 2, f / 2, o / 2, g])

    def step(self, px: Array, ph: Array, state: Array, saved: Array) -> tuple[Array, ...]:
        """C' = f c + i g, h' = o tanh(c')."""
        size = state.shape[2]
        activations = saved[:, : 4 * size]
        np.tanh(px + ph, out=activations)
        sigmoids = activations[:, : 3 * size]
        sigmoids *= 0.5
        sigmoids += 0.5
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


CELLS: dict[str, Cell] = {"lstm": LSTM()}
