"""Methods on paths and noise: known integrals, what has to add up, and draws that belong to a text."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import rnnx
from rnnx import explaining, streaming
from rnnx.data import readers
from rnnx.errors import ConfigError, DataError
from rnnx.methods import expected, sampling
from rnnx.methods.baselines import base_vector
from rnnx.methods.expected import expected_grad
from rnnx.methods.gradients import grad, grad_x_input
from rnnx.methods.integrated import FIRST, FLOOR, ig
from rnnx.methods.quadrature import Rule, clenshaw_curtis, gauss_legendre
from rnnx.methods.smoothing import smoothgrad, smoothgrad_x_input
from rnnx.models import checkpoint, scores
from rnnx.models.engine import classifier
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.progress import heard_by
from rnnx.models.protocols import Array, Base, Batch, Integers
from rnnx.models.scores import score
from rnnx.models.seeds import generators
from rnnx.models.texts import LIMIT, references
from rnnx.settings import Baseline
from rnnx.types import Attribution, Explanation, LeftOut
from tests.conftest import TEXTS
from tests.test_networks import Shape, arrays, few, named, numpy_model, random_batch, seeds, shapes, some_lengths

RANDOM = ("expected-grad", "smoothgrad", "smoothgrad-x-input")
ONES = np.ones(2, int)


def rngs(batch: Batch, seed: int = 0) -> Any:
    return generators(seed, "test", {}, batch)


def values(e: Explanation) -> Array:
    assert isinstance(e.evidence, Attribution)
    return np.array(e.evidence.scores)


# --- rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "degree"), [(clenshaw_curtis, lambda n: n - 1), (gauss_legendre, lambda n: 2 * n - 1)]
)
def test_rules_are_exact_for_polynomials(rules: Callable[..., Any], degree: Callable[[int], int]) -> None:
    points = np.empty(0)
    for rule in rules(2, 64):
        points = np.append(points, rule.fresh)
        assert rule.weights.sum() == pytest.approx(1)
        assert (rule.weights > 0).all()
        for power in range(degree(len(rule.weights)) + 1):
            values = points[-len(rule.weights) :] ** power
            assert rule.weights @ values == pytest.approx(1 / (power + 1))
    assert len(rule.weights) in (64, 65)
    np.testing.assert_allclose(points[:2], [0, 1], atol=1e-15)


def test_no_point_is_evaluated_twice() -> None:
    rules = list(clenshaw_curtis(8, 128))
    points = np.concatenate([rule.fresh for rule in rules])
    assert [len(rule.weights) for rule in rules] == [9, 17, 33, 65, 129]
    assert len(np.unique(points.round(12))) == len(points) == 129


@pytest.mark.parametrize(
    ("rules", "first", "steps", "points"),
    [
        (clenshaw_curtis, 8, 100, [9, 17, 33, 65]), (clenshaw_curtis, 100, 100, [65]), (clenshaw_curtis, 8, 1, [3]),
        (gauss_legendre, 8, 50, [8, 16, 32, 50]), (gauss_legendre, 50, 50, [50]), (gauss_legendre, 8, 1, [1]),
    ],
)  # fmt: skip
def test_rules_end_at_the_steps(rules: Callable[..., Any], first: int, steps: int, points: list[int]) -> None:
    found: list[Rule] = list(rules(first, steps))
    assert [len(rule.weights) for rule in found] == points


@pytest.mark.parametrize("of", ["logit", "prob", "loss"])
@pytest.mark.parametrize("classes", [1, 3])
def test_the_cotangent_is_the_derivative_of_the_score(of: str, classes: int) -> None:
    logits = np.random.default_rng(0).normal(size=(4, classes)) * 3
    target = np.array([0, 1, 0, 1])
    for i in range(classes):
        step = 1e-6 * np.eye(classes)[i]
        slope = (scores.score(logits + step, target, of) - scores.score(logits - step, target, of)) / 2e-6
        np.testing.assert_allclose(scores.cotangent(logits, target, of)[:, i], slope, atol=1e-8)


# --- closed forms -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Power:
    """y = s^degree of the sum s of all numbers; token i has the embedding (i, -3 i), a word is one of 1 to 9."""

    degree: int
    fields = ()
    unknown = 1
    word_ids = np.arange(1, 10)

    def embed(self, batch: Batch) -> Array:
        return np.where(batch.mask[:, :, None], np.stack([batch.ids, -3 * batch.ids], -1), 0).astype(float)

    def logits(self, x: Array, batch: Batch) -> Array:
        s = np.where(batch.mask[:, :, None], x, 0).sum((1, 2)) ** self.degree
        return np.stack([np.zeros_like(s), s], 1)

    def forward(self, batch: Batch) -> Array:
        return self.logits(self.embed(batch), batch)

    def gradient(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        s = np.where(batch.mask[:, :, None], x, 0).sum((1, 2), keepdims=True)
        return np.where(batch.mask[:, :, None], self.degree * s ** (self.degree - 1), 0) * np.ones_like(x)

    def slopes(
        self, x: Array, base: Base, batch: Batch, target: Integers, at: Array, of: str = "logit"
    ) -> tuple[Array, Array]:
        starts = base.rows[np.broadcast_to(base.which, (*at.shape, x.shape[1]))].swapaxes(0, 1)
        points = [start + share[:, None, None] * (x - start) for share, start in zip(at.T, starts, strict=True)]
        slopes = [((x - s) * self.gradient(p, batch, target)).sum(-1) for p, s in zip(points, starts, strict=True)]
        return np.stack(slopes, 1), np.stack([self.logits(p, batch) for p in points], 1)


BATCH = Batch(np.array([[3, 1, 2], [4, 0, 0]]), np.array([3, 1]))


@pytest.mark.parametrize("degree", [1, 2, 5, 9])
@pytest.mark.parametrize("baseline", ["zero", "unk", "mean"])
@pytest.mark.parametrize("quadrature", ["clenshaw-curtis", "gauss-legendre"])
def test_ig_of_a_power_of_the_sum(degree: int, baseline: Baseline, quadrature: Any) -> None:
    """The gradient is the same for all tokens, so that each has its share of the sum's way: 9 points are exact."""
    model: Any = Power(degree)
    found, diagnostics = ig(model, BATCH, ONES, baseline=baseline, quadrature=quadrature)
    x, base = (np.where(BATCH.mask[:, :, None], e, 0) for e in (model.embed(BATCH), base_vector(model, baseline)))
    way, difference = (x - base).sum(-1), (model.logits(x, BATCH) - model.logits(base, BATCH))[:, 1]
    expected_scores = difference[:, None] * way / np.where(way.sum(1) == 0, 1, way.sum(1))[:, None]
    np.testing.assert_allclose(found, expected_scores, atol=1e-6)
    np.testing.assert_allclose(diagnostics["difference"], difference)
    np.testing.assert_allclose(diagnostics["residual"], 0, atol=1e-6 * np.abs(difference).max())
    assert set(diagnostics["points"]) == {FIRST + (quadrature == "clenshaw-curtis")}


def test_expected_gradients_of_a_linear_model_are_exact() -> None:
    """w . (x_t - word_t), and therefore on average w . (x_t - what is usual)."""
    model: Any = Power(1)
    found, diagnostics = expected_grad(model, BATCH, ONES, rngs(BATCH), samples=4000)
    weights = 1 / np.arange(1, 10)
    usual = -2 * weights @ np.arange(1, 10) / weights.sum()
    np.testing.assert_allclose(found, np.where(BATCH.mask, -2 * BATCH.ids - usual, 0), atol=0.25)
    np.testing.assert_allclose(diagnostics["residual"], 0, atol=1e-9)
    spread = 2 * np.sqrt(weights @ np.arange(1, 10) ** 2 / weights.sum() - (usual / 2) ** 2)
    np.testing.assert_allclose(diagnostics["standard_error"], spread / np.sqrt(4000), rtol=0.05)


def test_smoothgrad_of_a_linear_model_is_the_gradient() -> None:
    model: Any = Power(1)
    np.testing.assert_allclose(smoothgrad(model, BATCH, ONES, rngs(BATCH)).found, grad(model, BATCH, ONES))
    found, diagnostics = smoothgrad_x_input(model, BATCH, ONES, rngs(BATCH))
    np.testing.assert_allclose(found, grad_x_input(model, BATCH, ONES))
    np.testing.assert_allclose(diagnostics["standard_error"], 0, atol=1e-9)


def test_the_noise_is_a_share_of_the_texts_range() -> None:
    """The gradient 2 s of s^2 varies as 2 s does: twice the noise times the root of its numbers."""
    model: Any = Power(2)
    ranges, numbers, s = np.array([12, 16]), np.array([6, 2]), np.array([-12, -8])
    variance = 4 * (0.1 * ranges) ** 2 * numbers
    found, diagnostics = smoothgrad(model, BATCH, ONES, rngs(BATCH), samples=4000, noise=0.1, square=True, norm="sum")
    np.testing.assert_allclose(found[:, 0] / 2, 4 * s**2 + variance, rtol=0.05)
    of_squares = 2 * np.sqrt(4 * 4 * s**2 * variance + 2 * variance**2)  # two numbers, each (2 s + noise)^2
    np.testing.assert_allclose(diagnostics["standard_error"], of_squares / np.sqrt(4000), rtol=0.6)
    plain = smoothgrad(model, BATCH, ONES, rngs(BATCH), samples=1, noise=0.0)
    np.testing.assert_allclose(plain.found, grad(model, BATCH, ONES))
    assert not plain.diagnostics  # one draw says nothing of the error


@pytest.mark.parametrize(("method", "samples"), [(expected_grad, 20_000), (smoothgrad, 400_000)])
def test_memory_does_not_grow_with_the_draws(method: Callable[..., Any], samples: int) -> None:
    model: Any = Power(2)
    method(model, BATCH, ONES, rngs(BATCH), samples=1)  # what is imported late is there now
    tracemalloc.start()
    method(model, BATCH, ONES, rngs(BATCH), samples=samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


@pytest.mark.parametrize("method", RANDOM)
def test_work_is_told_as_it_goes_on(model: RecurrentClassifier, method: str) -> None:
    heard: list[float] = []
    with heard_by(heard.append):
        list(rnnx.explain(model, TEXTS[:1], method, samples=30))
    assert sum(heard) >= 30


def test_draws_of_later_blocks_belong_to_the_text_too(
    model: RecurrentClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expected, "BLOCK", 3)
    for text, e in zip(TEXTS, rnnx.explain(model, TEXTS, "expected-grad", samples=8), strict=True):
        (alone,) = rnnx.explain(model, [text], "expected-grad", samples=8)
        np.testing.assert_allclose(values(alone), values(e), atol=1e-5)
        assert alone.diagnostics["residual"] == pytest.approx(e.diagnostics["residual"], abs=1e-4)


@pytest.mark.parametrize("samples", [2, 7, 10, 33, 50])
def test_the_jackknife_of_a_mean_is_its_standard_error(samples: int) -> None:
    """Exactly that of the means of the parts, which is the usual one where a part is one draw."""
    draws = np.random.default_rng(samples).normal(size=(3, samples, 4))
    parts = [draws[:, : samples // 2], draws[:, samples // 2 :]]
    found, error = sampling.jackknife(parts, samples, lambda mean: mean)
    np.testing.assert_allclose(found, draws.mean(1), atol=1e-12)
    blocks = [draws[:, i :: min(samples, 10)] for i in range(min(samples, 10))]
    weights = np.array([block.shape[1] for block in blocks]) / samples
    spread = sum(
        w / (1 - w) * (block.mean(1) - draws.mean(1)) ** 2 for w, block in zip(weights, blocks, strict=True)
    ) / len(blocks)
    np.testing.assert_allclose(error**2, spread, atol=1e-12)
    if samples <= 10:
        np.testing.assert_allclose(error, draws.std(1, ddof=1) / np.sqrt(samples), atol=1e-12)


@pytest.mark.parametrize("norm", ["l2", "l1", "squared", "max", "sum"])
@pytest.mark.parametrize("square", [False, True])
def test_the_standard_error_is_how_far_chance_moves_the_scores(norm: Any, square: bool) -> None:
    model = checkpoint.load("sentiment-lstm")
    batch = model.encode(["a wonderful film , moving and funny, and not too long"])
    runs = [smoothgrad(model, batch, ONES[:1], rngs(batch, i), norm=norm, square=square, noise=0.3) for i in range(80)]
    spread = np.std([run.found[0] for run in runs], axis=0, ddof=1).mean()
    assert np.mean([run.diagnostics["standard_error"] for run in runs]) == pytest.approx(spread, rel=0.25)


# --- the line from a baseline -------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["logit", "prob", "loss"])
def test_slopes_are_gradients_along_the_line(of: str, model: RecurrentClassifier) -> None:
    batch = model.encode(TEXTS)
    x, base = model.embed(batch), base_vector(model, "unk")
    target, at = np.arange(len(x)) % len(model.labels), np.random.default_rng(0).random((len(x), 3))
    slopes, logits = model.slopes(x, Base(base[None], np.zeros((1, 1, 1), int)), batch, target, at, of)
    assert slopes.dtype == x.dtype
    for k in range(3):
        point = base + at[:, k, None, None].astype(x.dtype) * (x - base)
        np.testing.assert_allclose(logits[:, k], model.logits(point, batch), atol=1e-5)
        expected_slopes = ((x - base) * model.gradient(point, batch, target, of)).sum(-1)
        np.testing.assert_allclose(slopes[:, k], expected_slopes, atol=1e-5)
        assert not slopes[:, k][~batch.mask].any()


# --- what has to add up -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", shapes(), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_integrated_gradients_add_up(shape: Shape, seed: int, lengths: list[int]) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(seed))), random_batch(seed, lengths)
    of, baseline = [("logit", "zero"), ("prob", "mean"), ("loss", "unk")][seed % 3]
    target = np.arange(len(lengths)) % len(model.labels)
    found, diagnostics = ig(model, batch, target, of=of, baseline=baseline, steps=1024)  # type: ignore[arg-type]
    x = model.embed(batch)
    base = np.broadcast_to(base_vector(model, baseline), x.shape)  # type: ignore[arg-type]
    ends = [scores.score(model.logits(end, batch), target, of) for end in (base, x)]
    np.testing.assert_allclose(diagnostics["difference"], ends[1] - ends[0], atol=1e-12)
    np.testing.assert_allclose(ends[1] - ends[0] - found.sum(1), diagnostics["residual"], atol=1e-12)
    assert not found[~batch.mask].any()
    smooth = shape.kind != "rnn-relu" and shape.pooling != "max"
    sizes = np.abs(found).sum(1)
    over = np.abs(diagnostics["residual"]) > np.maximum(1e-3 * np.abs(diagnostics["difference"]), FLOOR * sizes)
    assert (diagnostics["points"][over] == 1025).all()
    assert not (over.any() and smooth)


class Counting(RecurrentClassifier):
    """Remembers the texts and points that were asked for."""

    def slopes(self, x: Array, base: Base, batch: Batch, target: Integers, at: Array, of: str = "logit") -> Any:
        asked.append((batch.ids.tolist(), at.shape[1]))
        return super().slopes(x, base, batch, target, at, of)


asked: list[tuple[list[list[int]], int]] = []


def test_points_are_added_only_where_they_are_needed() -> None:
    asked.clear()
    model = Counting(**vars(checkpoint.load("sentiment-lstm")))
    batch = model.encode([line for line in TEXTS if line.isascii()])
    found, diagnostics = ig(model, batch, np.ones(len(batch.ids), int))
    points = diagnostics["points"]
    assert len(set(points)) > 1
    for ids, n in zip(batch.ids.tolist(), points, strict=True):
        assert sum(more for rows, more in asked if ids in rows) == n
    everywhere, same = ig(model, batch, np.ones(len(batch.ids), int), tolerance=0.0)
    assert set(same["points"]) == {129}
    np.testing.assert_allclose(found, everywhere, atol=5e-3)


@pytest.mark.parametrize("of", ["logit", "prob", "loss"])
def test_a_saturated_model_has_sensible_scores(of: Any) -> None:
    """p = 0.9999 and more, where the gradient is 0: the path's beginning has all that there is to see."""
    model = checkpoint.load("sentiment-lstm")
    (text,) = rnnx.explain(model, ["a wonderful film , moving and funny"], "ig")
    network = replace(model.network, w_out=12 * model.network.w_out / abs(text.prediction.logits[0]))
    certain = replace(model, network=replace(network, b_out=0 * network.b_out))
    (e,) = rnnx.explain(certain, [text.text], "ig", of=of)
    (gradient,) = rnnx.explain(certain, [text.text], "grad", of=of)
    assert e.prediction.probability > 0.9999
    shares = values(e) / e.diagnostics["difference"]
    assert shares.sum() == pytest.approx(1, abs=1.5e-3)
    assert [e.tokens[i].text for i in np.argsort(-shares)[:2]] == ["wonderful", "moving"]
    if of != "logit":
        assert values(gradient).max() < 1e-3 < 0.1 < values(e).max()


@pytest.mark.parametrize("shift", [0, -6, -20])
def test_a_small_probability_is_explained_as_well_as_a_large_one(shift: float) -> None:
    """Down to 1e-9 of a probability: no point is saved because the numbers are small."""
    model = checkpoint.load("sentiment-lstm")
    low = replace(model, network=replace(model.network, b_out=model.network.b_out + np.float32(shift)))
    texts = ["not bad at all", "a wonderful film , moving and funny", "The plot is thin, the acting superb.", "meh"]
    for e in rnnx.explain(low, texts, "ig", target="positive", of="prob", steps=512):
        difference, sizes = abs(e.diagnostics["difference"]), np.abs(values(e)).sum()
        assert sizes < 1000 * np.exp(shift)
        assert abs(e.diagnostics["residual"]) <= max(1e-3 * difference, FLOOR * sizes)


@pytest.mark.parametrize(("steps", "points"), [(100, 65), (64, 65), (63, 33), (2, 3), (1, 3)])
def test_steps_of_clenshaw_and_curtis_are_a_power_of_two(steps: int, points: int) -> None:
    (e,) = rnnx.explain(checkpoint.load("sentiment-lstm"), ["not bad"], "ig", steps=steps, tolerance=0)
    assert e.diagnostics["points"] == points


# --- baselines ----------------------------------------------------------------------------------------------


def test_baselines(model: RecurrentClassifier) -> None:
    table = model.network.embedding
    for name, vector in (("zero", 0 * table[0]), ("pad", table[0]), ("unk", table[1]), ("mean", table[2:].mean(0))):
        found = base_vector(model, name)  # type: ignore[arg-type]
        assert found.dtype == table.dtype
        np.testing.assert_allclose(found, vector, rtol=1e-5, atol=1e-6)


def test_references_are_drawn_in_a_row(model: RecurrentClassifier) -> None:
    batch, pool = model.encode(TEXTS), model.encode(["not bad the plot"]).ids[0]
    drawn = expected._draw(model, 9, rngs(batch).common, 20, np.split(pool, 2))
    for ids in drawn.tolist():
        start = pool.tolist().index(ids[0])
        assert ids == [pool[(start + i) % 4] for i in range(9)]


@pytest.mark.parametrize("references", [None, [np.arange(2, 9)]])
def test_a_shorter_text_is_compared_with_the_beginning_of_the_same_words(
    model: RecurrentClassifier, references: Any
) -> None:
    batch = model.encode(TEXTS)
    longer, shorter = (expected._draw(model, n, rngs(batch).common, 20, references) for n in (30, 7))
    assert (longer[:, :7] == shorter).all()


@pytest.mark.parametrize("of", ["logit", "prob"])
def test_what_other_words_are_worth_is_their_mean_score(
    model: RecurrentClassifier, of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, samples = model.encode(TEXTS), 7
    target = np.arange(len(TEXTS)) % len(model.labels)
    others = expected._draw(model, batch.ids.shape[1], rngs(batch).common, samples, None)
    worth = [
        score(model.forward(Batch(np.tile(words, (len(TEXTS), 1)), batch.lengths)), target, of) for words in others
    ]
    for at_once in (1, expected.AT_ONCE):
        monkeypatch.setattr(expected, "AT_ONCE", at_once)
        found = expected._expected(model, others, batch, target, of)
        np.testing.assert_allclose(found, np.mean(worth, axis=0), atol=1e-5)


def test_references_are_read_from_a_file_once(
    model: RecurrentClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the draws are those of the file's name: reading it elsewhere than before changed no explanation."""
    file, told = tmp_path / "texts.csv", list[LeftOut]()
    file.write_text("text,label\nnot bad,1\n<br />,1\na,b,c\nthe plot,0\n")
    reads, read = [], readers.read
    monkeypatch.setattr(readers, "read", lambda *given, **named: reads.append(given) or read(*given, **named))
    monkeypatch.setattr(explaining, "BUDGET", 6)
    found = list(rnnx.explain(model, TEXTS, "expected-grad", references=file, seed=3, left_out=told.append))
    assert len(reads) == 1
    assert [(what.where, what.reason) for what in told] == [
        (f"{file}:3", "no words in the text"), (f"{file}:4", "3 columns, not 2 as the header has")
    ]  # fmt: skip
    pool = [model.encode([text]).ids[0] for text in ("not bad", "the plot")]
    for e in found:
        assert e.settings == {"references": str(file), "samples": 100, "of": "logit"}
        batch, target = model.encode([e.text]), np.array([model.labels.index(e.target)])
        drawn = generators(3, "expected-grad", e.settings, batch)
        expected_scores, _ = expected_grad(model, batch, target, drawn, references=pool)
        np.testing.assert_allclose(values(e), expected_scores[0], atol=1e-5)
    with pytest.warns(UserWarning, match="left out") as warned:
        rnnx.explain(model, TEXTS, "expected-grad", references=str(file))
    assert [str(each.message) for each in warned] == [f"{what}; left out" for what in told]


def test_of_references_the_first_are_read(model: RecurrentClassifier, tmp_path: Path) -> None:
    file, told = tmp_path / "many.txt", list[LeftOut]()
    file.write_text("bad film\n" * LIMIT + "good\n")
    found = references(model, str(file), (), told.append)
    np.testing.assert_array_equal(found, np.tile(model.encode(["bad film"]).ids[0], (LIMIT, 1)))
    assert not told


def test_references_that_cannot_be_read_are_an_error_at_once(model: RecurrentClassifier, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    for name in ("empty.txt", "nowhere.txt"):
        with pytest.raises(DataError, match=name):
            rnnx.explain(model, TEXTS, "expected-grad", references=str(tmp_path / name))
    with pytest.raises(ConfigError, match="references must be the name of a file"):
        rnnx.explain(model, TEXTS, "expected-grad", references=3)


# --- a text's own draws -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", RANDOM)
def test_order_and_batches_change_no_draw(
    method: str, model: RecurrentClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    forwards = list(rnnx.explain(model, TEXTS, method, seed=5))
    monkeypatch.setattr(explaining, "BUDGET", 6)
    monkeypatch.setattr(streaming, "WINDOW", 2)
    backwards = list(rnnx.explain(model, TEXTS[::-1], method, seed=5))[::-1]
    for one, other in zip(forwards, backwards, strict=True):
        np.testing.assert_allclose(values(one), values(other), atol=1e-5)
        assert one.diagnostics["standard_error"] == pytest.approx(other.diagnostics["standard_error"], abs=1e-5)


@pytest.mark.parametrize("method", RANDOM)
def test_a_seed_has_its_draws_and_both_targets_share_them(method: str) -> None:
    model = checkpoint.load("sentiment-lstm")

    def found(**given: Any) -> Array:
        (e,) = rnnx.explain(model, ["not a bad film"], method, **given)
        return values(e)

    assert (found() == found(seed=0)).all()
    assert (found() != found(seed=1)).all()
    assert (found() != found(samples=60)).all()
    np.testing.assert_allclose(np.abs(found(target="positive")), np.abs(found(target="negative")), atol=1e-5)


def test_generators_are_those_of_seed_method_settings_and_ids() -> None:
    def first(
        seed: int, method: str, settings: dict[str, Any], ids: list[list[int]], lengths: list[int]
    ) -> list[float]:
        return [rng.random() for rng in generators(seed, method, settings, Batch(np.array(ids), np.array(lengths)))]

    one = first(0, "m", {"a": 1, "b": 2}, [[5, 6]], [2])
    assert first(0, "m", {"b": 2, "a": 1}, [[7, 0, 0], [5, 6, 0]], [1, 2])[1:] == one
    others = [(1, "m", {"a": 1, "b": 2}), (0, "n", {"a": 1, "b": 2}), (0, "m", {"a": 1, "b": 3})]
    assert all(first(*other, [[5, 6]], [2]) != one for other in others)
    assert first(0, "m", {"a": 1, "b": 2}, [[6, 5]], [2]) != one
    assert one == [pytest.approx(0.8563029363364056)]  # the same on every machine


@pytest.mark.parametrize("method", ["ig", *RANDOM])
def test_how_much_is_computed_at_once_changes_nothing(
    method: str, model: RecurrentClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(rnnx.explain(model, TEXTS, method))
    monkeypatch.setattr(classifier, "READ", 30)
    monkeypatch.setattr(sampling, "BUDGET", 70)
    for one, other in zip(before, rnnx.explain(model, TEXTS, method), strict=True):
        np.testing.assert_allclose(values(one), values(other), atol=1e-5)


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("tolerance", -0.1), ("tolerance", "nan"), ("steps", 2.5)])
def test_impossible_settings_are_refused_at_once(name: str, value: Any, model: RecurrentClassifier) -> None:
    with pytest.raises(ConfigError, match=f"ig: {name} must be a (number of at least 0|whole number from 1)"):
        rnnx.explain(model, TEXTS, "ig", **{name: value})
