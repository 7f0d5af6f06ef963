"""Shapley values: the definition in plain loops, games whose values are known, and how far chance moves them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import rnnx
from rnnx.methods import coalitions
from rnnx.methods import shapley as module
from rnnx.methods.kernel_shap import kernel_shap
from rnnx.methods.shapley import shapley
from rnnx.models import checkpoint
from rnnx.models.batching import padded
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Batch, Integers
from rnnx.models.scores import score
from rnnx.settings import Removal
from tests.conftest import TEXTS
from tests.test_networks import VOCABULARY, Shape, arrays, few, named, numpy_model, random_batch, seeds, some_lengths
from tests.test_occlusion import FIXED, SHAPES, embeddings, probabilities, read
from tests.test_paths import rngs, values

BOTH = pytest.mark.parametrize("method", [shapley, kernel_shap])
Worth = Callable[[frozenset[int]], float]


def by_orders(size: int, worth: Worth) -> Array:
    """The definition: the mean over all orders of what a token adds to those before it."""
    gains: list[list[float]] = [[] for _ in range(size)]
    for order in permutations(range(size)):
        for i, token in enumerate(order):
            gains[token].append(worth(frozenset(order[: i + 1])) - worth(frozenset(order[:i])))
    return np.array([np.mean(own) for own in gains])


def worth_of(model: RecurrentClassifier, ids: Integers, target: int, removal: str, of: str) -> Worth:
    """Each subset of a text read by itself."""
    every = set(range(len(ids)))

    @cache
    def worth(there: frozenset[int]) -> float:
        return read(model, embeddings(model, ids, every - there, removal), target, of)

    return worth


@pytest.mark.parametrize("removal", FIXED)
@pytest.mark.parametrize("shape", SHAPES, ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_short_texts_have_the_values_of_the_definition(
    shape: Shape, removal: Removal, seed: int, lengths: list[int]
) -> None:
    """By all orders, by the engine's tree of all subsets, and by least squares over them."""
    lengths = [min(n, 5) for n in lengths]
    model, batch = numpy_model(shape, arrays(shape.torch(seed))), random_batch(seed, lengths)
    target = np.arange(len(lengths)) % len(model.labels)
    for of in ("logit", "prob", "loss"):
        found = shapley(model, batch, target, rngs(batch), removal=removal, of=of)  # type: ignore[arg-type]
        fitted = kernel_shap(model, batch, target, rngs(batch), removal=removal, of=of)  # type: ignore[arg-type]
        np.testing.assert_allclose(fitted.found, found.found, atol=1e-9)
        for row, ids, n, label in zip(found.found, batch.ids, batch.lengths, target, strict=True):
            worth = worth_of(model, ids[:n], label, removal, of)
            np.testing.assert_allclose(row[:n], by_orders(n, worth), atol=1e-9)
            assert not row[n:].any()
        assert not found.diagnostics["draws"].any()
        np.testing.assert_array_equal(fitted.diagnostics["subsets"], 2**batch.lengths)
        for said in (found.diagnostics, fitted.diagnostics):
            np.testing.assert_allclose(said["residual"], 0, atol=1e-9)
            assert not said["standard_error"].any()


def test_eight_tokens_have_the_values_of_the_definition() -> None:
    shape = Shape("lstm", 2, 1, "attention")
    model, batch = numpy_model(shape, arrays(shape.torch(3))), random_batch(3, [8])
    expected = by_orders(8, worth_of(model, batch.ids[0], 1, "delete", "logit"))
    for method in (shapley, kernel_shap):
        found = method(model, batch, np.ones(1, int), rngs(batch), removal="delete").found
        np.testing.assert_allclose(found[0], expected, atol=1e-9)


# --- games whose values are known -----------------------------------------------------------------------------------


class Rule:
    """A classifier that only reads words, by a rule on their ids; 1 is the unknown word."""

    name, labels, provides, fields, unknown = "rule", ("no", "yes", "perhaps"), frozenset[str](), (), 1

    def __init__(self, rule: Callable[[list[int]], float]) -> None:
        self.rule, self.read = rule, 0

    def forward(self, batch: Batch) -> Array:
        texts = [ids[:n] for ids, n in zip(batch.ids.tolist(), batch.lengths, strict=True)]
        self.read += len(texts)
        return np.array([[0, self.rule(text), 0] for text in texts], float)


def explained(rule: Callable[[list[int]], float], ids: list[int], method: Any = shapley, **given: Any) -> Array:
    model, batch = Rule(rule), padded([ids])
    found: Array = method(model, batch, np.ones(1, int), rngs(batch), **given).found[0]
    return found


@BOTH
@pytest.mark.parametrize("length", [4, 14])
def test_a_sum_gives_each_token_its_own(method: Any, length: int) -> None:
    """Also of a text of which subsets are drawn: there, every order says the same."""
    ids = list(range(2, 2 + length))
    found = explained(lambda text: sum(i for i in text if i > 1), ids, method)
    np.testing.assert_allclose(found, ids, atol=1e-9)


@BOTH
def test_those_who_must_agree_share_alike(method: Any) -> None:
    """Unanimity of three: a third each; the others are null players."""
    found = explained(lambda text: {3, 5, 6} <= set(text), [2, 3, 4, 5, 6, 7], method)
    np.testing.assert_allclose(found, [0, 1 / 3, 0, 1 / 3, 1 / 3, 0], atol=1e-12)


def test_a_majority_of_votes() -> None:
    """Shapley & Shubik 1954: of votes 3, 2, 2 each decides as often as the others; of 4, 2, 1 only the first."""
    for votes, expected in (([3, 2, 2], [1 / 3, 1 / 3, 1 / 3]), ([4, 2, 1], [1, 0, 0])):
        quota = sum(votes) / 2
        rule = {2 + i: vote for i, vote in enumerate(votes)}
        found = explained(lambda text, rule=rule, quota=quota: sum(rule.get(i, 0) for i in text) > quota, [2, 3, 4])  # type: ignore[misc]
        np.testing.assert_allclose(found, expected, atol=1e-12)


@BOTH
def test_unknown_words_change_nothing_where_they_are_the_mask(method: Any) -> None:
    model = checkpoint.load("sentiment-lstm")
    batch = padded([[9, 1, 77, 1], [1, 1, 1, 1], [1] * 15])
    found = method(model, batch, np.ones(3, int), rngs(batch))
    np.testing.assert_allclose(found.found[0, [1, 3]], 0, atol=1e-9)
    assert (np.abs(found.found[0, [0, 2]]) > 0.01).all()
    np.testing.assert_allclose(found.found[1:], 0, atol=1e-9)
    np.testing.assert_allclose(found.diagnostics["standard_error"], 0, atol=1e-9)


@BOTH
def test_one_token_gets_all(method: Any) -> None:
    model = checkpoint.load("sentiment-attention")
    batch = padded([[9]])
    found = method(model, batch, np.ones(1, int), rngs(batch))
    whole, nothing = (model.forward(padded([[i]]))[0, 0] for i in (9, model.unknown))
    np.testing.assert_allclose(found.found, [[whole - nothing]], atol=1e-5)


def test_words_that_only_count_share_alike() -> None:
    """A bag of words: equal tokens have equal values, wherever they stand; exact, and up to chance."""
    shape = Shape("rnn-relu", 1, 1, "mean")
    weights = arrays(shape.torch(0))
    weights["recurrent.weight_hh_l0"][:] = 0
    model, batch = numpy_model(shape, weights), padded([[3, 4, 3, 5, 4, 3]])
    found = shapley(model, batch, np.ones(1, int), rngs(batch), of="prob").found[0]
    np.testing.assert_allclose(found[[0, 0, 1]], found[[2, 5, 4]], atol=1e-12)
    drawn = shapley(model, batch, np.ones(1, int), rngs(batch), of="prob", exact=1, samples=4000, tolerance=0.0)
    np.testing.assert_allclose(drawn.found[0], found, atol=5 * drawn.diagnostics["standard_error"][0])


# --- drawn ----------------------------------------------------------------------------------------------------------


def test_orders_come_in_pairs() -> None:
    batch, count = random_batch(0, [7, 4, 1]), 500
    ranks = module._orders(batch, rngs(batch), count)
    for own, n in zip(ranks, batch.lengths, strict=True):
        assert (np.sort(own) == np.arange(7)).all()
        assert (own[..., n:] == np.arange(n, 7)).all()
        assert (own[:, 0, :n] + own[:, 1, :n] == n - 1).all()
        for place in range(n):  # each token is there as often as any other
            often = (own[:, 0, :n] == place).sum(axis=0)
            assert (np.abs(often - count / n) <= 5 * np.sqrt(count / n)).all()


@pytest.mark.parametrize("shape", SHAPES[:3], ids=named)
def test_the_standard_error_is_how_far_chance_moves_the_scores(shape: Shape) -> None:
    """Over forty seeds, for orders and for subsets."""
    model, batch = numpy_model(shape, arrays(shape.torch(1))), random_batch(1, [9, 7])
    target = np.ones(2, int)
    exact = shapley(model, batch, target, rngs(batch)).found
    for method, options in (
        (shapley, {"exact": 1, "samples": 16}),
        (kernel_shap, {"samples": 60}),
    ):
        runs = [method(model, batch, target, rngs(batch, seed), tolerance=0.0, **options) for seed in range(40)]  # type: ignore[operator]
        off = np.sqrt(np.mean([(run.found - exact) ** 2 for run in runs], axis=0)).sum(axis=1) / batch.lengths
        said = np.mean([run.diagnostics["standard_error"] for run in runs], axis=0)
        np.testing.assert_allclose(off, said, rtol=0.25)
        bias = np.abs(np.mean([run.found - exact for run in runs], axis=0)).max()
        assert bias < 5 * off.max() / np.sqrt(40)


@pytest.mark.parametrize(("method", "counted"), [("shapley", "draws"), ("kernel-shap", "subsets")])
def test_more_draws_until_the_error_is_small(method: str, counted: str) -> None:
    model = checkpoint.load("sentiment-attention")
    text = "It is not that nobody had told me , but the second half was well worth it ; almost good"
    found = [next(rnnx.explain(model, [text], method, tolerance=t)) for t in (0.2, 0.02, 0)]
    loose, tight, all_ = (e.diagnostics for e in found)
    assert loose[counted] < tight[counted] < all_[counted]
    assert loose["standard_error"] > tight["standard_error"] > all_["standard_error"]
    for e in found:
        assert abs(e.diagnostics["residual"]) < 1e-5
        assert sum(values(e)) == pytest.approx(e.diagnostics["difference"], abs=1e-4)
    assert np.abs(values(found[0]) - values(found[2])).mean() < 4 * loose["standard_error"]


@pytest.mark.parametrize("given", [{"exact": 1}, {"exact": 4, "removal": "sample"}, {"exact": 4, "removal": "delete"}])
def test_draws_belong_to_the_text(model: RecurrentClassifier, given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is computed with it, and in whatever parts."""
    together = list(rnnx.explain(model, TEXTS, "shapley", samples=8, tolerance=0, **given))
    monkeypatch.setattr(coalitions, "AT_ONCE", 50)
    for text, e in zip(TEXTS, together, strict=True):
        (alone,) = rnnx.explain(model, [text], "shapley", samples=8, tolerance=0, **given)
        np.testing.assert_allclose(values(alone), values(e), atol=1e-5)
        assert alone.diagnostics.keys() == e.diagnostics.keys()
        assert alone.diagnostics["draws"] == e.diagnostics["draws"]


@BOTH
@pytest.mark.parametrize("ids", [["film", "not"], ["plot"]])
def test_drawn_words_are_averaged_over(method: Any, ids: list[str], tmp_path: Any) -> None:
    """Two tokens: what each adds alone and to the other, by all words that may stand there; up to chance."""
    shape = Shape("gru", 1)
    model = numpy_model(shape, arrays(shape.torch(4)))
    corpus = [np.array([VOCABULARY.id(word) for word in ("not", "good", "not", "bad", "film", "not")])]
    text = [VOCABULARY.id(word) for word in ids]
    batch, target = padded([text]), np.ones(1, int)
    given: dict[str, Any] = {"removal": "sample", "references": corpus, "samples": 4000, "tolerance": 0.0}
    found = method(model, batch, target, rngs(batch), **given)

    def worth(there: frozenset[int]) -> float:
        """The mean over the words in the other places, each drawn after the one before it."""
        states = {(): 1.0}
        for place, own in enumerate(text):
            follow = [(own, 1.0)] if place in there else None
            states = {
                (*words, word): p * q
                for words, p in states.items()
                for word, q in follow or enumerate(probabilities(model, corpus, words[-1] if words else -1))
                if q
            }
        many = padded([list(words) for words in states])
        return float(np.array(list(states.values())) @ score(model.forward(many), np.ones(len(states), int), "logit"))

    error = found.diagnostics["standard_error"][0]
    np.testing.assert_allclose(found.found[0], by_orders(len(text), worth), atol=5 * error)
    assert 0 < error < 0.1


@BOTH
def test_texts_of_a_batch_stop_by_themselves(method: Any) -> None:
    """The long one first, which says nothing but unknown words."""
    model = checkpoint.load("sentiment-attention")
    short = model.encode(["not that bad , only the second half was not as good as the first one ; it was long"]).ids[0]
    batch = padded([[1] * 40, short.tolist()])
    found = method(model, batch, np.ones(2, int), rngs(batch))
    alone = padded([short.tolist()])
    expected = method(model, alone, np.ones(1, int), rngs(alone))
    np.testing.assert_allclose(found.found[1, : len(short)], expected.found[0], atol=1e-5)
    counts = found.diagnostics.get("draws", found.diagnostics.get("subsets"))
    assert counts[0] < counts[1]


# --- long, empty, wrong ---------------------------------------------------------------------------------------------


def test_a_long_text_stays_within_its_memory() -> None:
    """What is kept does not grow with the number of subsets times the length: 2,000 tokens have 8 million of both."""
    shape = Shape("rnn")
    model = numpy_model(shape, arrays(shape.torch(0)))
    batch = random_batch(0, [2000])
    tracemalloc.start()
    found = shapley(model, batch, np.ones(1, int), rngs(batch), samples=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**27
    assert abs(found.diagnostics["residual"][0]) < 1e-9
    assert found.diagnostics["draws"] == [1]


@pytest.mark.parametrize("method", ["shapley", "kernel-shap", "lime"])
def test_a_text_without_words_is_refused(method: str) -> None:
    with pytest.raises(rnnx.errors.RnnxError, match="no words"):
        list(rnnx.explain(checkpoint.load("sentiment-lstm"), [""], method))
