"""One step of a recurrent cell, and the backward of that step.

A cell sees n rows at a time. ``step`` gets the input's and the state's share of the pre-activations, px and
ph, both (n, gates·H), and the state (parts, n, H), whose first part is the hidden output h. It fills
``saved``, (n, saved·H), with what ``back`` needs. The formulas are torch's.

``back`` goes by a rule (``rules``) wherever the step is not linear: the gradient's, or another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from rnnx.models.engine.rules import GRADIENT, Rule
from rnnx.models.protocols import Array


class Moment(NamedTuple):
    """What a step left: saved (n, saved·H), the state before and after it (parts, n, H), and, for a rule that sees
    them, its pre-activations (n, gates·H).
    """

    saved: Array
    before: Array
    after: Array
    pre: Array | None = None


Backward = tuple[Array, Array, tuple[Array, ...]]


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

    def pre(self, px: Array, ph: Array, saved: Array) -> Array:
        """The pre-activations as the squashing functions see them, (…, gates·H); any leading axes."""

    def back(
        self, d: Array, moments: Sequence[Moment], rule: Rule = GRADIENT
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        """From d score / d next state: d / d px, d / d ph, and what reaches the previous state past ph.

        ``moments`` has that of the run, and for a rule with a baseline that of the run over it. None of the results
        may alias ``saved``.
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

    def pre(self, px: Array, ph: Array, saved: Array) -> Array:
        """Their sum."""
        return px + ph

    def back(
        self, d: Array, moments: Sequence[Moment], rule: Rule = GRADIENT
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        """The share of h goes through o and tanh(c'), that of c' through f, i and g."""
        i, f, o, g, squashed = _split((m.saved for m in moments), 5)
        p_i, p_f, p_o, p_g = _pre(moments, rule, 4)
        c, past = [m.after[1] for m in moments], [m.before[1] for m in moments]
        dh, dc = d
        dc = dc + dh * rule.factor(o) * rule.slope(squashed, c, _of_tanh)
        di = dc * rule.factor(g) * rule.slope(i, p_i, _of_half, gate=True)
        df = dc * rule.factor(past) * rule.slope(f, p_f, _of_half, gate=True)
        do = dh * rule.factor(squashed) * rule.slope(o, p_o, _of_half, gate=True)
        dg = dc * rule.factor(i) * rule.slope(g, p_g, _of_tanh)
        dp = np.concatenate([di, df, do, dg], axis=1)
        return dp, dp, (np.zeros_like(dh), dc * rule.factor(f))


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

    def pre(self, px: Array, ph: Array, saved: Array) -> Array:
        """Their sum, but for n, which sees the state's share through r."""
        r, _, _, share = np.split(saved, 4, axis=-1)
        size = r.shape[-1]
        return np.concatenate([(px + ph)[..., : 2 * size], px[..., 2 * size :] + r * share], axis=-1)

    def back(
        self, d: Array, moments: Sequence[Moment], rule: Rule = GRADIENT
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        """Through z, through n, and through n's r; z h goes past all of them."""
        r, z, n, share = _split((m.saved for m in moments), 4)
        p_r, p_z, p_n = _pre(moments, rule, 3)
        dh, keep = d[0], rule.factor(z)
        dn = dh * (1 - keep) * rule.slope(n, p_n, _of_tanh)
        dr = dn * rule.factor(share) * rule.slope(r, p_r, _of_half, gate=True)
        change = rule.factor([m.before[0] for m in moments]) - rule.factor(n)
        dz = dh * change * rule.slope(z, p_z, _of_half, gate=True)
        px = np.concatenate([dr, dz, dn], axis=1)
        return px, np.concatenate([dr, dz, dn * rule.factor(r)], axis=1), (dh * keep,)


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

    def pre(self, px: Array, ph: Array, saved: Array) -> Array:
        """Their sum."""
        return px + ph

    def back(
        self, d: Array, moments: Sequence[Moment], rule: Rule = GRADIENT
    ) -> tuple[Array, Array, tuple[Array, ...]]:
        """The derivative can be told from h' itself; nothing goes past the pre-activation."""
        (h,), (p,) = _split((m.saved for m in moments), 1), _pre(moments, rule, 1)
        dp = d[0] * rule.slope(h, p, _of_relu if self.relu else _of_tanh)
        return dp, dp, (np.zeros_like(dp),)


def _of_tanh(y: Array) -> Array:
    """Its derivative, told from its value, as of the others."""
    return 1 - y * y


def _of_half(y: Array) -> Array:
    """Of a sigmoid by a pre-activation at half size."""
    return 2 * (y * (1 - y))


def _of_relu(y: Array) -> Array:
    return (y > 0).astype(y.dtype)


def _split(arrays: Iterable[Array], parts: int) -> list[tuple[Array, ...]]:
    """For each block of units, those of all arrays."""
    return list(zip(*(np.split(array, parts, axis=1) for array in arrays), strict=True))


def _pre(moments: Sequence[Moment], rule: Rule, parts: int) -> list[tuple[Array, ...]]:
    """Of each gate, for a rule that sees them."""
    if not rule.sees:
        return [()] * parts
    return _split((m.pre for m in moments if m.pre is not None), parts)


def _to_sigmoid(tanh_of_half: Array) -> None:
    """In place."""
    tanh_of_half *= 0.5
    tanh_of_half += 0.5


CELLS: dict[str, Cell] = {"lstm": LSTM(), "gru": GRU(), "rnn": RNN(), "rnn-relu": RNN(relu=True)}
