"""Variants of texts by trees of what they have in common: the same logits as each of them read by itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rnnx
from rnnx.errors import Unsupported
from rnnx.models import variants as perturbing
from rnnx.models.batching import padded
from rnnx.models.engine import variants as engine
from rnnx.models.engine import walking
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.engine.trie import grow
from rnnx.models.engine.walking import blocks, walk
from rnnx.models.progress import heard_by
from rnnx.models.protocols import Array, Batch, Integers
from rnnx.models.seeds import numbers
from rnnx.models.variants import ABSENT, Variants, logits, plain
from tests.test_networks import (
    EMBEDDING,
    VOCABULARY,
    Shape,
    arrays,
    few,
    logits_by_hand,
    named,
    numpy_model,
    random_batch,
    seeds,
    shapes,
    some_lengths,
)

UNKNOWN = 1


def random_variants(seed: int, batch: Batch, count: int = 12, share: float = 0.3) -> Variants:
    """Each token is changed with a probability: to a word, to an embedding that is no word's, or to nothing."""
    rng = np.random.default_rng(seed)
    text = rng.integers(0, len(batch.ids), count)
    changed = (rng.random((count, batch.ids.shape[1])) < share) & batch.mask[text]
    variant, place = np.nonzero(changed)
    symbol = rng.choice([ABSENT, ABSENT, UNKNOWN, 4, 7, -2, -3], len(variant))
    return Variants.of(batch, text, variant, place, symbol, rng.normal(size=(2, EMBEDDING)))


def by_hand(shape: Shape, weights: Any, variants: Variants) -> Array:
    """Each variant by itself, from the equations."""
    found = []
    for n, text in enumerate(variants.text):
        symbols = variants.base[text].tolist()
        for m in np.flatnonzero(variants.variant == n):
            symbols[variants.column[m]] = variants.symbol[m]
        read = [s for s in symbols if s != ABSENT] or [UNKNOWN]
        assert variants.extra is not None
        x = np.array([weights["embedding.weight"][s] if s >= 0 else variants.extra[-2 - s] for s in read])
        found.append(logits_by_hand(shape, weights, x[None], np.array([len(read)]))[0])
    return np.array(found)


@pytest.mark.parametrize("shape", shapes(), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_every_variant_is_as_if_read_alone(shape: Shape, seed: int, lengths: list[int]) -> None:
    weights = arrays(shape.torch(seed))
    model, variants = numpy_model(shape, weights), random_variants(seed, random_batch(seed, lengths))
    expected = by_hand(shape, weights, variants)
    np.testing.assert_allclose(plain(model, variants), expected, atol=1e-9)
    np.testing.assert_allclose(logits(model, variants), expected, atol=1e-9)
    assert engine.shares(model.network) == (shape.layers == 1 or shape.directions == 1)


SHARING = [
    Shape("lstm"),
    Shape("gru", 2, 1, "mean"),
    Shape("rnn", 1, 3, "max", "softmax"),
    Shape("lstm", 2, 1, "attention", "softmax"),
    Shape("rnn-relu", 1, 2, "attention"),
    Shape("gru", 2, 1, "dot-attention", "sigmoid", 3),
]
sharing = pytest.mark.parametrize("shape", SHARING, ids=named)


def engine_of(shape: Shape, seed: int = 0) -> RecurrentClassifier:
    return numpy_model(shape, arrays(shape.torch(seed)))


def subsets(batch: Batch, symbol: int) -> Variants:
    """All subsets of the tokens of one text, taken away."""
    taken = np.array(list(product([False, True], repeat=batch.ids.shape[1])))
    variant, place = np.nonzero(taken)
    return Variants.of(batch, np.zeros(len(taken), int), variant, place, symbol)


class Counted:
    """A layer's steps, and how many slots they have moved on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        stepping = walking.Stepping.__call__

        def counted(step: walking.Stepping, px: Array, rows: Any) -> Array:
            self.rows += px.shape[1]
            return stepping(step, px, rows)

        monkeypatch.setattr(walking.Stepping, "__call__", counted)


@pytest.mark.parametrize(("symbol", "steps"), [(ABSENT, 2**9 - 1 + 1), (UNKNOWN, 2 * (2**9 - 1))])
def test_all_subsets_take_a_step_a_different_beginning(
    symbol: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2^T - 1 where tokens are deleted, and one for the text of which nothing is left."""
    model, batch = engine_of(Shape("lstm")), padded([[2, 3, 4, 5, 6, 7, 8, 9, 10]])
    counted = Counted(monkeypatch)
    found = logits(model, subsets(batch, symbol))
    assert counted.rows == steps
    np.testing.assert_allclose(found, plain(model, subsets(batch, symbol)), atol=1e-12)


@pytest.mark.parametrize(("symbol", "steps"), [(UNKNOWN, 7 * 8 // 2 + 7), (ABSENT, 7 * 6 // 2 + 7)])
@pytest.mark.parametrize("directions", [1, 2])
def test_leaving_one_out_takes_half_the_square(
    symbol: int, steps: int, directions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = padded([[2, 3, 4, 5, 6, 7, 8]])
    every = np.arange(7)
    one_out = Variants.of(batch, np.zeros(8, int), every, every, symbol)  # the last one is the text itself
    counted = Counted(monkeypatch)
    logits(engine_of(Shape("gru", directions)), one_out)
    assert counted.rows == directions * steps


@sharing
def test_what_is_the_same_is_computed_once(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal variants, and equal texts."""
    model, batch = engine_of(shape), padded([[3, 4, 5], [3, 4, 5], [3, 4, 5]])
    nothing = np.empty(0, int)
    counted = Counted(monkeypatch)
    found = logits(model, Variants.of(batch, np.array([0, 1, 2, 0]), nothing, nothing, nothing))
    assert counted.rows == 3 * shape.layers * shape.directions
    np.testing.assert_array_equal(found, np.repeat(found[:1], 4, axis=0))


@sharing
def test_any_parts_give_the_same(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    model, variants = engine_of(shape), random_variants(5, random_batch(5, [7, 4, 7]), 40)
    whole = logits(model, variants)
    for name, limit in (("AT_ONCE", 21), ("STATES", 100), ("WAITING", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(engine, name, limit)
            np.testing.assert_allclose(logits(model, variants), whole, atol=1e-12)
    with monkeypatch.context() as patch:
        patch.setattr(walking, "BLOCK", 3)
        np.testing.assert_allclose(logits(model, variants), whole, atol=1e-12)
    monkeypatch.setattr(perturbing, "AT_ONCE", 21)
    np.testing.assert_allclose(plain(model, variants), whole, atol=1e-12)


@sharing
def test_insertions_and_moves_are_edits_too(shape: Shape) -> None:
    """In a base with room between its tokens."""
    model = engine_of(shape)
    base = np.array([[ABSENT, 3, ABSENT, 4, ABSENT, 5, ABSENT]])
    places = np.array([0, 2, 4, 6])
    inserted = Variants(base, np.zeros(4, int), np.arange(4), places, np.full(4, 7))
    expected = model.forward(padded([[7, 3, 4, 5], [3, 7, 4, 5], [3, 4, 7, 5], [3, 4, 5, 7]]))
    np.testing.assert_allclose(logits(model, inserted), expected, atol=1e-12)
    moved = Variants(base, np.zeros(1, int), np.array([0, 0]), np.array([1, 4]), np.array([ABSENT, 3]))
    np.testing.assert_allclose(logits(model, moved), model.forward(padded([[4, 3, 5]])), atol=1e-12)


def test_nothing_left_is_an_unknown_word() -> None:
    model, batch = engine_of(Shape("lstm", 2, 1, "attention")), padded([[3, 4]])
    gone = Variants.of(batch, np.zeros(1, int), np.zeros(2, int), np.arange(2), ABSENT)
    expected = model.forward(padded([[model.unknown]]))
    np.testing.assert_allclose(logits(model, gone), expected, atol=1e-12)
    np.testing.assert_allclose(plain(model, gone), expected, atol=1e-12)


@pytest.mark.parametrize("heads", [1, 3])
def test_scores_of_attention_may_rise_as_far_as_they_like(heads: int) -> None:
    """Sums are relative to a score that is seldom changed, and of several heads not at once."""
    shape = Shape("rnn", 1, 1, "attention", heads=heads)
    weights = arrays(shape.torch(2))
    weights["pooling.query.weight"] *= 200
    weights["pooling.hidden.weight"] *= 5
    model, variants = numpy_model(shape, weights), random_variants(1, random_batch(1, [7, 6]), 60)
    found = logits(model, variants)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, plain(model, variants), atol=1e-9)


@sharing
def test_work_is_told_as_it_goes_on(shape: Shape) -> None:
    model, variants = engine_of(shape), random_variants(5, random_batch(5, [7, 4, 7]), 40)
    heard: list[float] = []
    with heard_by(heard.append):
        logits(model, variants)
    assert len(heard) >= 7
    assert sum(heard) == pytest.approx(40)
    logits(model, variants)  # nobody listens any more
    assert sum(heard) == pytest.approx(40)


def test_random_numbers_are_those_of_the_own_text() -> None:
    """In whatever order the texts stand, and also where there are none of one."""
    text = np.array([3, 0, 3, 1, 0, 3])
    found = numbers(text, [np.random.default_rng(i) for i in range(5)], 2)
    for i in range(5):
        own = text == i
        np.testing.assert_array_equal(found[own], np.random.default_rng(i).random((own.sum(), 2)))


def test_random_numbers_of_many_texts_take_no_more_steps_than_there_are_of_them() -> None:
    looked = [0]

    class Watched(np.ndarray):  # type: ignore[type-arg]
        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **given: Any) -> Any:
            looked[0] += self.size
            return getattr(ufunc, method)(*(np.asarray(each) for each in inputs), **given)

    text = np.repeat(np.arange(200), 5).view(Watched)
    numbers(text, [np.random.default_rng(0)] * 200, 2)
    assert looked[0] <= 10 * len(text)


# --- the tree -------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=30))
def test_a_tree_has_a_slot_for_each_different_beginning(rows: list[list[int]]) -> None:
    table = np.array(rows)
    trie = grow(table, 3)
    slots = trie.slots()
    assert (np.diff(trie.start) >= 0).all()
    assert (trie.parent < np.arange(len(trie.start)).clip(1)).all()
    for t in range(5):
        beginnings = {tuple(row[: t + 1]) for row in rows}
        assert trie.alive[t] == len(beginnings)
        for n, row in enumerate(rows):
            assert trie.codes[t, slots[t, n]] == row[t]
            assert [slots[t, m] == slots[t, n] for m in range(len(rows))] == [r[: t + 1] == row[: t + 1] for r in rows]


def test_a_tree_of_many_codes() -> None:
    rows = np.array([[70_000, 5], [256, 5], [1, 5], [70_000, 6], [70_001, 70_001]])
    trie = grow(rows, 70_001)
    np.testing.assert_array_equal(trie.codes[np.arange(2)[:, None], trie.slots()], rows.T)


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([True] * 3 + [False], [slice(0, 3)]),
        ([False] * 2, []),
        ([False] + [True] * 300 + [False], [slice(1, 151), slice(151, 301)]),
        ([True] * 601, [slice(0, 201), slice(201, 402), slice(402, 601)]),
    ],
)
def test_blocks_are_of_like_size(reads: list[bool], expected: list[slice]) -> None:
    assert blocks(np.array(reads), 256) == expected


def test_blocks_pass_over_slots_that_wait() -> None:
    np.testing.assert_array_equal(blocks(np.array([True, False, True]), 256), [[0, 2]])


def test_a_walk_gives_the_states_of_the_network() -> None:
    model, batch = engine_of(Shape("lstm", 1, 2)), padded([[3, 4, 5]])
    trie = grow(np.array([[0, 1, 2]]), 3)
    layers = [level[0] for level in model.network.levels]
    states = [h[0].copy() for h in walk(layers, model.embed(batch)[0], trie)]
    np.testing.assert_allclose(states, model.states(batch).h[0], atol=1e-12)


# --- other models ---------------------------------------------------------------------------------------------------


class Words:
    """A classifier that only reads words: how many different ones, and how often it was asked."""

    name, labels, provides, fields, unknown = "words", ("few", "many"), frozenset[str](), (), UNKNOWN

    def __init__(self) -> None:
        self.read: list[tuple[int, ...]] = []

    def forward(self, batch: Batch) -> Array:
        texts = [tuple(ids[:n]) for ids, n in zip(batch.ids.tolist(), batch.lengths, strict=True)]
        self.read += texts
        return np.array([[len(set(text))] for text in texts], float)


def test_a_model_of_words_is_asked_each_text_once() -> None:
    model: Any = Words()
    batch = padded([[3, 4, 3], [3, 4]])
    text, place = np.nonzero(batch.mask)
    found = logits(model, Variants.of(batch, text, np.arange(5), place, ABSENT))
    np.testing.assert_array_equal(found[:, 0], [2, 1, 2, 1, 1])
    assert sorted(model.read) == [(3,), (3, 3), (3, 4), (4,), (4, 3)]


def test_a_model_of_words_cannot_read_an_embedding() -> None:
    model: Any = Words()
    batch = padded([[3]])
    one = np.zeros(1, int)
    with pytest.raises(Unsupported, match="reads only words"):
        logits(model, Variants.of(batch, one, one, one, -2, np.zeros((1, 4))))


def test_the_torch_engine_reads_the_same(tmp_path: Any) -> None:
    model, other = rnnx.load("sentiment-attention"), rnnx.load("sentiment-attention", engine="torch", device="cpu")
    batch = model.encode(["not a bad film at all", "dull"])
    variants = random_variants(3, batch, 30)
    variants = replace(variants, extra=np.random.default_rng(0).normal(size=(2, model.embed(batch).shape[2])))
    before = torch.get_rng_state()
    np.testing.assert_allclose(logits(other, variants), logits(model, variants), atol=1e-5)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_long_text_stays_within_its_memory() -> None:
    """A thousand variants of 5,000 tokens: what is kept does not grow with their number times the length."""
    import tracemalloc

    model = engine_of(Shape("rnn"))
    batch = padded([np.random.default_rng(0).integers(2, len(VOCABULARY), 5000).tolist()])
    places = np.arange(0, 5000, 5)
    variants = Variants.of(batch, np.zeros(1000, int), np.arange(1000), places, UNKNOWN)
    tracemalloc.start()
    found = logits(model, variants)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**28
    chosen: Integers = np.array([0, 400, 999])
    few_ = [[*batch.ids[0, :p], UNKNOWN, *batch.ids[0, p + 1 :]] for p in places[chosen]]
    np.testing.assert_allclose(found[chosen], model.forward(padded(few_)), atol=1e-9)
