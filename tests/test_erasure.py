"""Comprehensiveness and sufficiency: golden values, plain loops, and all orders of short texts."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given

from rnnx.metrics import erasure, limits
from rnnx.metrics.erasure import comprehensiveness, sufficiency
from rnnx.metrics.ranking import importance, places
from rnnx.models.batching import padded
from rnnx.models.protocols import Array, Batch
from rnnx.settings import FixedRemoval
from tests.test_networks import Shape, arrays, few, named, numpy_model, random_batch, seeds, some_lengths
from tests.test_occlusion import FIXED, SHAPES, embeddings, read
from tests.test_shapley import Rule

WEIGHTS = (0, 2, -1, 0.5, 0, 1.5, -0.5, 0.25, 0, 3)
TEN = padded([list(range(2, 12))])
ONE = np.ones(1, int)
DISTINCT = (0.01, 2, -1, 0.5, 0.02, 1.5, -0.5, 0.25, 0.03, 3)


class Additive(Rule):
    """The sum of its words' weights and a bias -2, through a sigmoid; ids are 2, 3, …, and an unknown word has 0."""

    labels = ("no", "yes")

    def __init__(self, weights: tuple[float, ...] = WEIGHTS, bias: float = -2) -> None:
        super().__init__(lambda text: bias + sum(weights[i - 2] for i in text if i > 1))

    def forward(self, batch: Batch) -> Array:
        return super().forward(batch)[:, 1:2]


# Made with an independent implementation, ten digits; bias -2, tokens deleted.
GOLDEN = {
    WEIGHTS: (0.5191129367, 0.1489166827),
    tuple(np.abs(WEIGHTS)): (0.5059054898, 0.1514698995),
    tuple(-np.array(WEIGHTS)): (-0.0157428284, 0.9368422139),
    DISTINCT: (0.5191129367, 0.1489166827),
}


@pytest.mark.parametrize("removal", ["delete", "mask"])
@pytest.mark.parametrize(("scores", "expected"), GOLDEN.items())
def test_golden_values(scores: tuple[float, ...], expected: tuple[float, float], removal: FixedRemoval) -> None:
    """Of an additive model, where an unknown word is worth nothing, also a masked one."""
    given = Additive(), TEN, ONE, np.array([scores])
    found = comprehensiveness(*given, removal=removal)[0], sufficiency(*given, removal=removal)[0]
    np.testing.assert_allclose(found, expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (WEIGHTS, (0.8487056207, 0.0156708747)),
        (tuple(np.abs(WEIGHTS)), (0.7940005264, 0.0266100689)),
        (tuple(-np.array(WEIGHTS)), (0.1014528455, 0.7629236499)),
    ],
)
def test_golden_values_at_every_tenth(scores: tuple[float, ...], expected: tuple[float, float]) -> None:
    """Those of an implementation that takes 10, 20, … and at last 100 % of the tokens away."""
    shares = [k / 10 for k in range(1, 11)]
    found = erasure.curves(Additive(), TEN, ONE, np.array([scores]), shares, "delete").mean(axis=(1, 2))
    np.testing.assert_allclose(found, expected, atol=1e-10, rtol=0)


def test_shares_are_rounded_up() -> None:
    """ERASER's thresholds of 1, 10, 30 and 700 tokens; 0.01 * 700 is more than 7 in floating point."""
    batch = Batch(np.zeros((4, 700), int), np.array([1, 10, 30, 700]))
    expected = [[1, 1, 1, 1, 1], [1, 1, 1, 2, 5], [1, 2, 3, 6, 15], [7, 35, 70, 140, 350]]
    assert erasure.sizes(batch, erasure.THRESHOLDS).tolist() == expected


def test_the_first_of_equals_comes_first_and_padding_last() -> None:
    batch = Batch(np.ones((2, 4), int), np.array([4, 2]))
    assert places(batch, np.array([[1.0, 3, 1, 3], [-1, -1, 9, 9]])).tolist() == [[2, 0, 3, 1], [0, 1, 2, 3]]
    scores = np.array([-2.0, 1])
    assert importance(scores, signed=True).tolist() == [-2, 1]
    assert importance(scores, signed=False).tolist() == [2, 1]


@pytest.mark.parametrize("removal", FIXED)
@pytest.mark.parametrize("shape", SHAPES, ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_each_text_is_read_without_its_tokens(
    shape: Shape, removal: FixedRemoval, seed: int, lengths: list[int]
) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(seed))), random_batch(seed, lengths)
    target, scores = (
        np.arange(len(lengths)) % len(model.labels),
        np.random.default_rng(seed).normal(size=batch.ids.shape),
    )
    found = erasure.curves(model, batch, target, scores, (0.3, 0.5), removal)
    for i, n in enumerate(batch.lengths.tolist()):
        order = sorted(range(n), key=lambda t: -scores[i, t])
        for k, share in enumerate((0.3, 0.5)):
            first = order[: -(-round(share * n * 100) // 100)]
            taken = set(first), set(range(n)) - set(first)
            whole, *left = [
                read(model, embeddings(model, batch.ids[i, :n], gone, removal), int(target[i]), "prob")
                for gone in (set(), *taken)
            ]
            np.testing.assert_allclose(found[:, i, k], [whole - left[0], whole - left[1]], atol=1e-9)


# --- the limits -----------------------------------------------------------------------------------------------------


def all_orders(model: Rule, batch: Batch, row: int, target: Array, removal: FixedRemoval) -> list[float]:
    """The mean fall in every order of one text's tokens."""
    n = int(batch.lengths[row])
    one = Batch(batch.ids[row : row + 1, :n], batch.lengths[row : row + 1])
    orders = -np.array(list(permutations(range(n))), float)
    many = Batch(np.repeat(one.ids, len(orders), 0), np.repeat(one.lengths, len(orders)))
    return limits.mean_fall(model, many, np.repeat(target[row], len(orders)), orders, removal=removal).tolist()


@pytest.mark.parametrize("removal", FIXED)
@pytest.mark.parametrize("shape", SHAPES, ids=named)
def test_limits_are_those_of_all_orders(shape: Shape, removal: FixedRemoval) -> None:
    """By dynamic programming, and by a beam that is wide enough to keep every subset."""
    model, batch = numpy_model(shape, arrays(shape.torch(1))), random_batch(1, [5, 1, 4])
    target = np.array([0, 1, 1])
    exact = limits.limits(model, batch, target, removal=removal)
    searched = limits.limits(model, batch, target, removal=removal, exact=1, beam=1000)
    assert exact.exact.all()
    assert searched.exact.tolist() == [False, True, False]
    for row in range(3):
        falls = all_orders(model, batch, row, target, removal)
        for found in (exact, searched):
            np.testing.assert_allclose(found.lower[row], min(falls), atol=1e-9)
            np.testing.assert_allclose(found.upper[row], max(falls), atol=1e-9)


def test_seven_tokens_have_the_limits_of_all_orders() -> None:
    shape = Shape("lstm", 2, 1, "attention")
    model, batch = numpy_model(shape, arrays(shape.torch(5))), random_batch(5, [7])
    falls, found = all_orders(model, batch, 0, ONE, "delete"), limits.limits(model, batch, ONE)
    np.testing.assert_allclose([found.lower[0], found.upper[0]], [min(falls), max(falls)], atol=1e-9)


@pytest.mark.parametrize("exact", [12, 1])
def test_the_best_order_of_a_sum_is_that_of_its_weights(exact: int) -> None:
    """Also by a beam of one beginning: where tokens do not depend on each other, what is best first is best."""
    model, weights = Additive(), np.array([WEIGHTS])
    found = limits.limits(model, TEN, ONE, exact=exact, beam=1)
    assert limits.normalised_comprehensiveness(model, TEN, ONE, weights, found) == pytest.approx(1, abs=1e-9)
    assert limits.normalised_sufficiency(model, TEN, ONE, weights, found) == pytest.approx(0, abs=1e-9)
    assert limits.normalised_comprehensiveness(model, TEN, ONE, -weights, found) == pytest.approx(0, abs=1e-9)
    assert limits.normalised_sufficiency(model, TEN, ONE, -weights, found) == pytest.approx(1, abs=1e-9)


def test_a_text_too_long_for_a_beam_is_searched_by_several_tokens_at_once() -> None:
    rng = np.random.default_rng(0)
    weights = tuple(rng.normal(size=101) / 4)
    batch = padded([list(range(2, 103)), list(range(2, 50))])
    model, target = Additive(weights), np.ones(2, int)
    found = limits.limits(model, batch, target)
    scores = np.array([weights, weights])
    np.testing.assert_allclose(limits.normalised_comprehensiveness(model, batch, target, scores, found), 1, atol=1e-9)
    np.testing.assert_allclose(limits.normalised_sufficiency(model, batch, target, scores, found), 0, atol=1e-9)
    drawn = limits.normalised_comprehensiveness(model, batch, target, rng.normal(size=scores.shape), found)
    assert ((drawn > 0) & (drawn < 1)).all()


def test_where_no_order_is_better_there_is_no_share() -> None:
    model, batch = Additive((1, 1, 1, 2)), padded([[2, 3, 4], [5], [2, 5]])
    found = limits.limits(model, batch, np.ones(3, int))
    share = limits.normalised_comprehensiveness(model, batch, np.ones(3, int), np.tile([1.0, 2, 3], (3, 1)), found)
    assert np.isnan(share).tolist() == [True, True, False]
