"""One step of a recurrent cell, and the backward of that step.

A cell sees n rows at a time. ``step`` gets the input's and the state's share of the pre-activations, px and
ph, both (gates, n, H), and the state (parts, n, H), whose first part is the hidden output h. It fills ``saved``,
(saved, n, H), with what the backward needs, and ``after`` with the next state, which may be where the old one was.
The formulas are torch's. Gates and the like are blocks of their own, in front: numpy is up to twice as fast on them
as on parts of rows.

The backward is in two parts: ``slopes`` has all that does not depend on what flows back, for many steps at once, and
goes by a rule (``rules``) wherever the step is not linear, the gradient's or another's; ``back`` then takes one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from rnnx.models.engine.rules import GRADIENT, Rule
from rnnx.models.protocols import Array


class Moment(NamedTuple):
    """What a step left: saved (saved, n, H), the state before and after it (parts, n, H), and, for a rule that sees
    them, its pre-activations (gates, n, H).
    """

    saved: Array
    before: Array
    after: Array
    pre: Array | None = None


Backward = tuple[Array, Array, tuple[Array | float, ...]]


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

    @property
    def apart(self) -> int:
        """So many gates, the last ones, see more of px and ph than their sum."""

    def arrange(self, weight: Array) -> Array:
        """Torch's rows of a weight or bias, (gates·H, …), as ``step`` expects its gates, (gates, H, …)."""

    def step(self, px: Array, ph: Array, state: Array, saved: Array, after: Array) -> None:
        """From one state to the next."""

    def pre(self, px: Array, ph: Array, saved: Array) -> Array:
        """The pre-activations as the squashing functions see them, (gates, n, H)."""

    def slopes(self, moments: Sequence[Moment], rule: Rule = GRADIENT) -> Array:
        """The multipliers of steps, unit by unit, (slots, n, H), for ``back``.

        ``moments`` has what the run left, and for a rule with a baseline what the run over it left.
        """

    def back(self, d: Array, slopes: Array) -> Backward:
        """From d score / d next state (parts, n, H): d / d px, d / d ph, and what reaches each part of the previous
        state past ph.
        """


class LSTM:
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000).

    The parts of the state are h and c. Gates are kept in the order i, f, o, g, and the pre-activations of
    i, f, o at half size, so that one tanh serves all four: sigma(p) = 1/2 + tanh(p / 2) / 2.
    """

    parts, gates, saved = 2, 4, 5  # saved: i, f, o, g, tanh(c)
    names = ("input", "forget", "output", "candidate")
    apart = 0

    def arrange(self, weight: Array) -> Array:
        """Torch stores i, f, g, o."""
        i, f, g, o = np.split(weight, 4)
        return np.stack([i / 2, f / 2, o / 2, g])

    def step(self, px: Array, ph: Array, state: Array, saved: Array, after: Array) -> None:
        """C' = f c + i g, h' = o tanh(c')."""
        activations = np.add(px, ph, out=saved[:4])
        np.tanh(activations, out=activations)
        _to_sigmoid(activations[:3])
        i, f, o, g, squashed = saved
        h, c = after
        np.multiply(f, state[1], out=c)
        c += np.multiply(i, g, out=squashed)
        np.multiply(o, np.tanh(c, out=squashed), out=h)

    def pre(self, px: Array, ph: Array, saved: Array) -> Array:
        """Their sum."""
        return px + ph

    def slopes(self, moments: Sequence[Moment], rule: Rule = GRADIENT) -> Array:
        """Of c' by the pre-activations of i, f and g, of h' by that of o; of h' by c', and of c' by c."""
        i, f, o, g, squashed = _each([m.saved for m in moments])
        p_i, p_f, p_o, p_g = _pre(moments, rule, self.gates)
        c, past = [m.after[1] for m in moments], [m.before[1] for m in moments]
        return np.stack(
            [
                rule.factor(g) * rule.slope(i, p_i, _of_half, gate=True),
                rule.factor(past) * rule.slope(f, p_f, _of_half, gate=True),
                rule.factor(squashed) * rule.slope(o, p_o, _of_half, gate=True),
                rule.factor(i) * rule.slope(g, p_g, _of_tanh),
                rule.factor(o) * rule.slope(squashed, c, _of_tanh),
                rule.factor(f),
            ]
        )

    def back(self, d: Array, slopes: Array) -> Backward:
        """The share of h goes through o and c', that of c' through f, i and g."""
        dh, dc = d
        dc = dc + dh * slopes[4]
        dp = slopes[:4] * dc
        np.multiply(slopes[2], dh, out=dp[2])
        return dp, dp, (0.0, dc * slopes[5])


class GRU:
    """Gated recurrent unit (Cho et al. 2014), the reset gate after the product with the state's weights.

    Pre-activations of r and z are kept at half size, as for the LSTM.
    """

    parts, gates, saved = 1, 3, 4  # saved: r, z, n, and the state's share of n
    names = ("reset", "update", "candidate")
    apart = 1

    def arrange(self, weight: Array) -> Array:
        """Torch stores r, z, n."""
        r, z, n = np.split(weight, 3)
        return np.stack([r / 2, z / 2, n])

    def step(self, px: Array, ph: Array, state: Array, saved: Array, after: Array) -> None:
        """N = tanh(px + r ph), h' = (1 - z) n + z h."""
        sigmoids = np.add(px[:2], ph[:2], out=saved[:2])
        np.tanh(sigmoids, out=sigmoids)
        _to_sigmoid(sigmoids)
        r, z, n, share = saved
        share[:] = ph[2]
        np.tanh(np.add(px[2], r * share, out=n), out=n)
        h = np.subtract(state[0], n, out=after[0])
        h *= z
        h += n

    def pre(self, px: Array, ph: Array, saved: Array) -> Array:
        """Their sum, but for n, which sees the state's share through r."""
        r, _, _, share = saved
        return np.concatenate([px[:2] + ph[:2], (px[2] + r * share)[None]])

    def slopes(self, moments: Sequence[Moment], rule: Rule = GRADIENT) -> Array:
        """Of h' by the pre-activations of r, z and n, by the state's share of n, and by h past all of them."""
        r, z, n, share = _each([m.saved for m in moments])
        p_r, p_z, p_n = _pre(moments, rule, self.gates)
        keep, change = rule.factor(z), rule.factor([m.before[0] for m in moments]) - rule.factor(n)
        by_n = (1 - keep) * rule.slope(n, p_n, _of_tanh)
        return np.stack(
            [
                by_n * rule.factor(share) * rule.slope(r, p_r, _of_half, gate=True),
                change * rule.slope(z, p_z, _of_half, gate=True),
                by_n,
                by_n * rule.factor(r),
                keep,
            ]
        )

    def back(self, d: Array, slopes: Array) -> Backward:
        """All of it comes from h'; n sees the state through r."""
        found = slopes * d[0]
        return found[:3], found[[0, 1, 3]], (found[4],)


@dataclass(frozen=True)
class RNN:
    """The simple recurrent network (Elman 1990): h' = tanh or relu of px + ph."""

    relu: bool = False
    parts, gates, saved = 1, 1, 1  # saved: h'
    names = ()
    apart = 0

    def arrange(self, weight: Array) -> Array:
        """As it is."""
        return weight[None]

    def step(self, px: Array, ph: Array, state: Array, saved: Array, after: Array) -> None:
        """H' = tanh(px + ph), or its positive part."""
        np.add(px, ph, out=saved)
        if self.relu:
            np.maximum(saved, 0, out=saved)
        else:
            np.tanh(saved, out=saved)
        after[:] = saved

    def pre(self, px: Array, ph: Array, saved: Array) -> Array:
        """Their sum."""
        return px + ph

    def slopes(self, moments: Sequence[Moment], rule: Rule = GRADIENT) -> Array:
        """The derivative can be told from h' itself."""
        (h,), (p,) = _each([m.saved for m in moments]), _pre(moments, rule, self.gates)
        return rule.slope(h, p, _of_relu if self.relu else _of_tanh)[None]

    def back(self, d: Array, slopes: Array) -> Backward:
        """Nothing goes past the pre-activation."""
        dp = slopes * d[0]
        return dp, dp, (0.0,)


def _of_tanh(y: Array) -> Array:
    """Its derivative, told from its value, as of the others."""
    return 1 - y * y


def _of_half(y: Array) -> Array:
    """Of a sigmoid by a pre-activation at half size."""
    return 2 * (y * (1 - y))


def _of_relu(y: Array) -> Array:
    return (y > 0).astype(y.dtype)


def _each(arrays: Sequence[Array]) -> list[tuple[Array, ...]]:
    """For each block, those of all arrays."""
    return list(zip(*arrays, strict=True))


def _pre(moments: Sequence[Moment], rule: Rule, gates: int) -> list[tuple[Array, ...]]:
    """Of each gate, for a rule that sees them."""
    return _each([m.pre for m in moments if m.pre is not None]) if rule.sees else [()] * gates


def _to_sigmoid(tanh_of_half: Array) -> None:
    """In place."""
    tanh_of_half *= 0.5
    tanh_of_half += 0.5


CELLS: dict[str, Cell] = {"lstm": LSTM(), "gru": GRU(), "rnn": RNN(), "rnn-relu": RNN(relu=True)}
