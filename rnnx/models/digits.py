"""Numbers as they are written: with the digits that single precision has, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnx.models.protocols import Array, Integers

FEWEST, MOST = 6, 9  # significant digits: any 6 survive single precision, 9 tell all its numbers apart
EXACT = 22  # 10 to this is exact in double precision


def shortest(values: Array | Integers) -> NDArray[np.float64]:
    """The shortest decimals that single precision takes for ``values``, as ``float(str(value))`` for each of them.

    An integer of at most 9 digits over or times a power of ten that double precision holds is rounded correctly, so
    trying digit by digit on all numbers at once finds them some ten times faster than printing.
    """
    single = values.astype(np.float32).ravel()
    exact = single.astype(np.float64)
    found = exact.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.floor(np.log10(np.abs(exact)))
    # At powers of two the neighbours are not equally far, which printing knows.
    plain = (np.abs(power) < EXACT - MOST) & (np.frexp(exact)[0] != np.copysign(0.5, exact))
    rest = np.flatnonzero(np.isfinite(exact) & (exact != 0) & ~plain)
    found[rest] = [float(str(value)) for value in single[rest]]
    left = np.flatnonzero(plain)
    for digits in range(FEWEST, MOST + 1):
        shift = digits - 1 - power[left]
        scale = 10.0 ** np.abs(shift)
        whole = np.rint(np.where(shift < 0, exact[left] / scale, exact[left] * scale))
        tried = np.where(shift < 0, whole * scale, whole / scale)
        found[left] = tried
        left = left[tried.astype(np.float32) != single[left]]
        if not left.size:
            break
    return found.reshape(values.shape)


def numbers(values: Array | Integers) -> list[Any]:
    """Python numbers: whole ones, as counts are, stay whole; others have the digits that single precision has."""
    found: list[Any] = (values if np.issubdtype(values.dtype, np.integer) else shortest(values)).tolist()
    return found


def finite(values: Sequence[float]) -> tuple[float, ...]:
    """The numbers. Raises FloatingPointError if one of them is not finite."""
    if not isfinite(sum(values)):  # a sum of single-precision numbers is finite in double precision, if they are
        raise FloatingPointError
    return tuple(values)
