"""Linear models of subsets: least squares against scikit-learn, and what LIME finds where the answer is known."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

import rnnx
from rnnx.errors import Unexplained
from rnnx.methods import coalitions, surrogates
from rnnx.methods.kernel_shap import _pairs, kernel_shap
from rnnx.methods.lime import _around, _of_any_size, lime
from rnnx.methods.surrogates import least_squares
from rnnx.models import checkpoint
from rnnx.models.batching import padded
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array
from tests.conftest import TEXTS
from tests.test_networks import Shape, arrays, numpy_model, random_batch
from tests.test_paths import rngs, values
from tests.test_shapley import Rule
from tests.test_variants import Counted


def problem(rows: int, size: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, size))
    return x, x @ rng.normal(size=size) + rng.normal(size=rows)


@pytest.mark.parametrize(("rows", "size"), [(50, 6), (6, 6), (5, 9), (1, 3)])
@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_least_squares_are_those_of_scikit_learn(
    rows: int, size: int, ridge: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more rows than coefficients and with fewer, whole and in parts; of many solutions the smallest."""
    x, y = problem(rows, size)
    model = Ridge(ridge, fit_intercept=False) if ridge else LinearRegression(fit_intercept=False)
    expected = model.fit(x, y).coef_
    for at_once in (coalitions.AT_ONCE, 20):
        monkeypatch.setattr(coalitions, "AT_ONCE", at_once)
        fit = least_squares(lambda part: (x[part], y[part]), rows, size, ridge)
        np.testing.assert_allclose(fit.coefficients, expected, atol=1e-6)
        left = y - x @ expected
        assert fit.r_squared == pytest.approx(1 - left @ left / (y @ y))
        assert fit.errors.shape == (size,)


@pytest.mark.parametrize("rows", [14, 60])
def test_errors_are_how_far_other_rows_move_the_coefficients(rows: int) -> None:
    """Also where the noise depends on the row, and where there are few of them."""
    size, truth = 5, np.arange(5.0)

    def fit(seed: int) -> Any:
        rng = np.random.default_rng(seed)
        x = rng.choice([-1.0, 1.0], (rows, size))
        y = x @ truth + rng.normal(size=rows) * (2 + x[:, 0])
        return least_squares(lambda part: (x[part], y[part]), rows, size)

    fits = [fit(seed) for seed in range(300)]
    off = np.std([f.coefficients for f in fits], axis=0)
    np.testing.assert_allclose(np.mean([f.errors for f in fits], axis=0), off, rtol=0.25)


def test_too_few_rows_know_nothing() -> None:
    """The fit is perfect, and the errors are as large as what is fitted."""
    x, y = problem(4, 30)
    fit = least_squares(lambda part: (x[part], y[part]), 4, 30)
    np.testing.assert_allclose(x @ fit.coefficients, y, atol=1e-9)
    assert fit.errors.mean() > np.abs(fit.coefficients).mean() / 2


# --- LIME -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "ridge"), [(0.25, 1.0), (0.1, 0.0), (3.0, 20.0)])
def test_a_weighted_ridge_around_the_text(width: float, ridge: float) -> None:
    """As scikit-learn does it: with an intercept, which has no penalty."""
    rng = np.random.default_rng(0)
    there = np.vstack([np.ones(7, bool), _of_any_size(7, 200, rng)])
    worths = rng.normal(size=201) + there @ np.arange(7)
    fit = _around(there.__getitem__, worths, 7, width, ridge)
    similarity = (there @ np.ones(7)) / np.sqrt(7 * there.sum(axis=1).clip(1))
    weights = np.exp(-((1 - similarity) ** 2) / (2 * width**2))
    model = Ridge(ridge) if ridge else LinearRegression()
    model.fit(there, worths, sample_weight=weights)
    np.testing.assert_allclose(fit.coefficients, model.coef_, atol=1e-8)
    assert fit.r_squared == pytest.approx(model.score(there, worths, sample_weight=weights))


def test_a_linear_model_explains_itself() -> None:
    """Up to the penalty."""
    ids = list(range(3, 15))
    model: Any = Rule(lambda text: sum(i for i in text if i > 1))
    batch = padded([ids])
    found = lime(model, batch, np.ones(1, int), rngs(batch), ridge=0.0)
    np.testing.assert_allclose(found.found[0], ids, atol=1e-6)
    assert found.diagnostics["r_squared"][0] == pytest.approx(1)
    assert found.diagnostics["subsets"] == [256]
    assert found.diagnostics["standard_error"][0] < 1e-6
    shrunk = lime(model, batch, np.ones(1, int), rngs(batch), ridge=50.0).found[0]
    assert shrunk @ shrunk < np.dot(ids, ids)


def test_what_is_not_linear_is_not_explained() -> None:
    """Whether the number of tokens is even."""
    model: Any = Rule(lambda text: sum(i > 1 for i in text) % 2)
    batch = padded([list(range(2, 14))])
    found = lime(model, batch, np.ones(1, int), rngs(batch), width=10.0)
    assert found.diagnostics["r_squared"][0] < 0.1
    assert found.diagnostics["subsets"] == [1024]


def test_subsets_have_any_size_but_all() -> None:
    """Each size, and each token, equally often."""
    sizes = _of_any_size(5, 5000, np.random.default_rng(0)).sum(axis=1)
    assert (np.abs(np.bincount(sizes) - np.full(5, 1000)) < 200).all()
    often = _of_any_size(5, 5000, np.random.default_rng(1)).sum(axis=0)
    assert (np.abs(often - 2000) < 200).all()


def test_pairs_are_drawn_by_the_kernel() -> None:
    """Shapley's kernel times the number of subsets: 1 / (size (T - size)); each is followed by the rest."""
    drawn = _pairs(6, 20_000, np.random.default_rng(0))
    assert (drawn[::2] != drawn[1::2]).all()
    members = np.arange(1, 6)
    chance = 1 / (members * (6 - members))
    often = np.bincount(drawn.sum(axis=1), minlength=7)[1:6]
    np.testing.assert_allclose(often, 20_000 * chance / chance.sum(), rtol=0.1)
    np.testing.assert_allclose(drawn.mean(axis=0), 0.5, atol=1e-12)


@pytest.mark.parametrize("method", ["lime", "kernel-shap"])
@pytest.mark.parametrize("removal", ["mask", "delete", "sample"])
def test_draws_belong_to_the_text(
    model: RecurrentClassifier, method: str, removal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is computed with it, and in whatever parts."""
    given: dict[str, Any] = {"removal": removal, "samples": 30, "seed": 5}
    together = list(rnnx.explain(model, TEXTS, method, **given))
    monkeypatch.setattr(coalitions, "AT_ONCE", 50)
    for text, e in zip(TEXTS, together, strict=True):
        (alone,) = rnnx.explain(model, [text], method, **given)
        np.testing.assert_allclose(values(alone), values(e), atol=1e-4)
        assert alone.diagnostics.keys() == e.diagnostics.keys()
        assert alone.diagnostics["subsets"] == e.diagnostics["subsets"]


def test_few_samples_are_never_fewer_than_four_a_token() -> None:
    model = checkpoint.load("sentiment-lstm")
    batch = random_batch(0, [30])
    found = kernel_shap(model, batch, np.ones(1, int), rngs(batch), samples=10, tolerance=0.0)
    assert found.diagnostics["subsets"] == [120]
    assert 0 < found.diagnostics["standard_error"][0] < np.abs(found.found).max()
    found = kernel_shap(model, batch, np.ones(1, int), rngs(batch), samples=1)
    assert 0 < found.diagnostics["standard_error"][0] < np.abs(found.found).max()


def test_one_token_has_all_of_the_difference() -> None:
    """Also where each subset has words of its own."""
    model, batch = checkpoint.load("sentiment-lstm"), padded([[9]])
    found = kernel_shap(model, batch, np.ones(1, int), rngs(batch), removal="sample")
    assert abs(found.diagnostics["residual"][0]) < 1e-9
    assert found.found[0, 0] == pytest.approx(found.diagnostics["difference"][0])
    assert found.diagnostics["standard_error"][0] > 0


@pytest.mark.parametrize("removal", ["mask", "delete"])
def test_a_single_token_and_only_unknown_ones(removal: Any) -> None:
    model = checkpoint.load("sentiment-lstm")
    batch = padded([[9], [1]])
    found = lime(model, batch, np.ones(2, int), rngs(batch), removal=removal).found
    whole, nothing = model.forward(padded([[9], [model.unknown]]))[:, 0]
    assert 0 < found[0, 0] / (whole - nothing) <= 1  # the penalty takes of it
    np.testing.assert_allclose(found[1], 0, atol=1e-6)
    batch = padded([[1] * 20])
    np.testing.assert_allclose(lime(model, batch, np.ones(1, int), rngs(batch)).found, 0, atol=1e-6)


@pytest.mark.parametrize("method", [lime, kernel_shap])
def test_subsets_take_a_bit_a_token(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is made of them is made in parts."""
    for module, name in ((coalitions, "AT_ONCE"), (surrogates, "DRAWN")):
        monkeypatch.setattr(module, name, 10_000)
    model: Any = Rule(lambda text: text[0] % 5)
    batch, count = padded([[*range(3, 203)]]), 8192
    tracemalloc.start()
    found = method(model, batch, np.ones(1, int), rngs(batch), samples=count, tolerance=0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.diagnostics["subsets"].tolist() == [count]
    assert peak < 2 * count * 200, peak


@pytest.mark.parametrize("method", [lime, kernel_shap])
def test_subsets_may_be_drawn_in_parts(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is drawn after the one before it: none is there twice, and what is found is the same."""
    model: Any = Rule(lambda text: sum(i for i in text if i > 1) % 7)
    batch = padded([[*range(3, 33)], [*range(5, 25)]])
    target = np.ones(2, int)
    whole = method(model, batch, target, rngs(batch), samples=600, tolerance=0.0)
    monkeypatch.setattr(surrogates, "DRAWN", 1000)
    parts = method(model, batch, target, rngs(batch), samples=600, tolerance=0.0)
    assert parts.diagnostics["subsets"].tolist() == [600, 600]
    error = np.hypot(*(each.diagnostics["standard_error"] for each in (whole, parts)))
    assert (np.abs(whole.found - parts.found).mean(axis=1) < 2 * error).all()
    one = padded([[*range(5, 25)]])
    alone = method(model, one, target[:1], rngs(one), samples=600, tolerance=0.0)
    np.testing.assert_allclose(alone.found[0], parts.found[1, :20], atol=1e-9)


@pytest.mark.parametrize("method", [lime, kernel_shap])
def test_more_subsets_than_memory_are_refused_before_anything_is_read(method: Any) -> None:
    def worth(text: Any) -> float:
        raise AssertionError(text)

    model: Any = Rule(worth)
    batch = padded([[3] * 40, [3] * 30, [4] * 20_000])
    with pytest.raises(Unexplained, match="subsets of 40 tokens take more than 2 GB") as told:
        method(model, batch, np.ones(3, int), rngs(batch), samples=10**9)
    assert sorted(told.value.reasons) == [0, 1, 2]
    assert "samples=" in told.value.hint


def test_many_samples_are_all_subsets_where_there_are_no_more() -> None:
    """Of any number of texts, some at a time."""
    model: Any = Rule(lambda text: sum(i for i in text if i > 1) % 5)
    batch = padded([[*range(3, 10)]] * 3)
    few = kernel_shap(model, batch, np.ones(3, int), rngs(batch))
    many = kernel_shap(model, batch, np.ones(3, int), rngs(batch), samples=10**9)
    np.testing.assert_array_equal(few.found, many.found)
    assert many.diagnostics["subsets"].tolist() == [128] * 3


def test_five_thousand_tokens_stay_within_their_memory() -> None:
    """With fewer subsets than tokens: nothing is as large as the square of their number."""
    shape = Shape("rnn")
    model, batch = numpy_model(shape, arrays(shape.torch(0))), random_batch(0, [5000])
    tracemalloc.start()
    found = lime(model, batch, np.ones(1, int), rngs(batch), samples=40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**26
    assert found.found.shape == (1, 5000)
    assert np.isfinite(found.found).all()


@pytest.mark.parametrize("method", [kernel_shap, lime])
def test_without_a_tolerance_all_subsets_are_read_at_once(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many of them as with one that is never met, in fewer steps."""
    shape = Shape("lstm")
    model, batch = numpy_model(shape, arrays(shape.torch(0))), random_batch(1, [14])
    steps, subsets = [], []
    for tolerance in (0.0, 1e-9):
        with monkeypatch.context() as patch:
            counted = Counted(patch)
            found = method(model, batch, [0], rngs(batch), samples=1024, tolerance=tolerance)
        steps.append(counted.rows)
        subsets.append(found.diagnostics["subsets"].tolist())
    assert subsets[0] == subsets[1] == [1024]
    assert steps[0] < 0.95 * steps[1]
