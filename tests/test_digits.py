"""Decimals of single-precision numbers, against printing."""

from __future__ import annotations

import numpy as np

from rnnx.models.digits import shortest


def test_they_are_those_that_printing_gives() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 60_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    usual = (rng.normal(size=60_000) * 10.0 ** rng.uniform(-9, 6, 60_000)).astype(np.float32)
    powers = (2.0 ** np.arange(-149, 128)).astype(np.float32)
    neighbours = np.nextafter(powers, np.float32(0)), np.nextafter(powers, np.float32(np.inf))
    short = np.array([0, -0.0, 0.1, -0.5, 1, 1e-3, 123456.7, 1e10, 16777216, 9.9999999, 0.30000001], np.float32)
    values = np.concatenate([bits[np.isfinite(bits)], usual, powers, *neighbours, -powers, short])
    assert shortest(values).tolist() == [float(str(value)) for value in values]
    assert np.signbit(shortest(np.array([-0.0], np.float32)))[0]


def test_what_is_no_number_stays_so_and_the_shape_too() -> None:
    values = np.array([[np.nan, np.inf], [-np.inf, 0.1]])
    found = shortest(values)
    assert found.shape == values.shape
    assert np.isnan(found[0, 0])
    assert found[0, 1] == -found[1, 0] == np.inf
    assert shortest(np.zeros((0, 3))).shape == (0, 3)
