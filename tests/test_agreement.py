"""Agreement of scores: closed forms, loops, and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rnnx.metrics.agreement import overlap, ranked_alike, same_sign, strong

SCORES = st.lists(st.integers(-3, 3), min_size=2, max_size=12)


@given(SCORES, st.permutations(range(12)))
def test_ranks_are_compared_as_by_scipy(values: list[int], order: list[int]) -> None:
    one = np.array(values, float)
    other = one[[i for i in order if i < len(one)]]
    found = ranked_alike(one, other)
    if len(set(values)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(one, other).statistic)


def test_ranks_of_an_order_and_its_reverse() -> None:
    scores = np.array([0.3, -2, 5, 0.1])
    assert ranked_alike(scores, scores**3) == pytest.approx(1)
    assert ranked_alike(scores, -scores) == pytest.approx(-1)
    # 1 - 6 sum d^2 / (n (n^2 - 1)): one swap of neighbours among four
    assert ranked_alike(np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 3, 4])) == pytest.approx(1 - 6 * 2 / (4 * 15))


@pytest.mark.parametrize(("length", "count"), [(1, 1), (5, 1), (6, 2), (10, 2), (11, 3)])
def test_a_fifth_of_the_tokens_is_strong(length: int, count: int) -> None:
    scores = np.arange(length, dtype=float) * np.where(np.arange(length) % 2, -1, 1)
    assert sorted(strong(scores)) == list(range(length - count, length))


def test_of_equals_the_first_is_strong() -> None:
    assert strong(np.ones(6)).tolist() == [0, 1]


@given(SCORES, SCORES)
def test_overlap_and_signs_in_plain_loops(one: list[int], other: list[int]) -> None:
    length = min(len(one), len(other))
    a, b = np.array(one[:length], float), np.array(other[:length], float)
    k = (length + 4) // 5
    tops = [sorted(range(length), key=lambda i: (-abs(scores[i]), i))[:k] for scores in (a, b)]
    assert overlap(a, b) == sum(i in tops[1] for i in tops[0]) / k
    said = [i for i in {*tops[0], *tops[1]} if a[i] and b[i]]
    same = [np.sign(a[i]) == np.sign(b[i]) for i in said]
    assert same_sign(a, b) == (pytest.approx(sum(same) / len(same)) if same else None)
