"""Local rules: what a backward pass multiplies with where the network is not linear.

One backward pass serves several methods. They agree on everything linear, and differ in two things: the multiplier
of a squashing function y = f(p), and what stands for a factor of a product (a gate and what it gates).

====================  ==============================  =============================  =========================
rule                  multiplier of y = f(p)          of a gate's                    a factor of a product
====================  ==============================  =============================  =========================
``GRADIENT``          f'(p)                           f'(p)                          its value
``RELEVANCE`` (LRP)   y / p                           0: a gate is no source         its value
``SECANT``            (y - y0) / (p - p0)             (y - y0) / (p - p0)            the mean of value and base
(DeepLIFT)
====================  ==============================  =============================  =========================

0 marks the run over the baseline. With the means, a product's difference a b - a0 b0 is shared out in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from rnnx.models.protocols import Array

NEAR = 1e-3  # differences of pre-activations below this have the slope of the curve: theirs would be rounding

Derivative = Callable[[Array], Array]  # f'(p) as a function of y = f(p)


class Rule(Protocol):
    """``values`` has an array for the run itself, and for a rule with ``base`` one for the run over the baseline."""

    name: str
    base: bool  # whether it compares with a baseline
    sees: bool  # whether it needs the pre-activations

    def factor(self, values: Sequence[Array]) -> Array:
        """What multiplies the other factor."""

    def slope(self, y: Sequence[Array], p: Sequence[Array], derivative: Derivative, gate: bool = False) -> Array:
        """The multiplier of y = f(p)."""


class _Gradient:
    name, base, sees = "gradient", False, False

    def factor(self, values: Sequence[Array]) -> Array:
        return values[0]

    def slope(self, y: Sequence[Array], p: Sequence[Array], derivative: Derivative, gate: bool = False) -> Array:
        return derivative(y[0])


class _Relevance:
    name, base, sees = "relevance", False, True

    def factor(self, values: Sequence[Array]) -> Array:
        return values[0]

    def slope(self, y: Sequence[Array], p: Sequence[Array], derivative: Derivative, gate: bool = False) -> Array:
        return np.zeros_like(y[0]) if gate else _divided(y[0], p[0], derivative(y[0]))


class _Secant:
    name, base, sees = "secant", True, True

    def factor(self, values: Sequence[Array]) -> Array:
        return 0.5 * (values[0] + values[1])

    def slope(self, y: Sequence[Array], p: Sequence[Array], derivative: Derivative, gate: bool = False) -> Array:
        return _divided(y[0] - y[1], p[0] - p[1], 0.5 * (derivative(y[0]) + derivative(y[1])))


def _divided(y: Array, p: Array, slope: Array) -> Array:
    near = np.abs(p) < NEAR
    found: Array = np.where(near, slope, y / np.where(near, 1, p))
    return found


GRADIENT: Rule = _Gradient()
RELEVANCE: Rule = _Relevance()
SECANT: Rule = _Secant()
