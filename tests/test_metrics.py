"""Metrics against plain loops, Captum, scikit-learn, and answers that are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from captum.metrics import sensitivity_max as captum_sensitivity
from sklearn.metrics import auc, precision_recall_curve

from rnnx.methods.attention import attention
from rnnx.methods.gradients import grad_x_input
from rnnx.metrics import means, plausibility
from rnnx.metrics.again import cascade, max_sensitivity, randomisation, seed_stability
from rnnx.metrics.completeness import completeness
from rnnx.metrics.correlation import kendall, spearman
from rnnx.metrics.flips import flip_first, flip_last
from rnnx.metrics.infidelity import infidelity
from rnnx.metrics.leaving_out import leave_one_out
from rnnx.metrics.plausibility import Marked, auprc, iou_f1, token_f1
from rnnx.models import checkpoint
from rnnx.models.batching import padded
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Batch, Integers
from rnnx.models.scores import score
from tests.conftest import TEXTS
from tests.test_erasure import DISTINCT, ONE, TEN, WEIGHTS, Additive
from tests.test_paths import rngs

Numbers = tuple[float, ...]


# --- leaving each token out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (WEIGHTS, 1),
        (tuple(np.abs(WEIGHTS)), 0.5060608273),
        (tuple(-np.array(WEIGHTS)), -1),
        (DISTINCT, 0.9660917831),
    ],
)
def test_leave_one_out_golden_values(scores: Numbers, expected: float) -> None:
    found = leave_one_out(Additive(), TEN, ONE, np.array([scores]), True)
    assert found == pytest.approx(expected, abs=1e-10)


def test_unsigned_scores_are_compared_with_sizes() -> None:
    """In the linear part of a sigmoid: the size of a weight is that of its fall."""
    weights = tuple(np.array([1, -2, 3, -4]) * 1e-4)
    batch = padded([[2, 3, 4, 5]])
    assert leave_one_out(Additive(weights, 0), batch, ONE, np.abs([weights]), False) == pytest.approx(1)


def by_pairs(a: Array, b: Array) -> float:
    """The definition of tau-b."""
    pairs = [(i, j) for i in range(len(a)) for j in range(i)]
    agree = sum(np.sign((a[i] - a[j]) * (b[i] - b[j])) for i, j in pairs)
    ties = [sum(x[i] != x[j] for i, j in pairs) for x in (a, b)]
    return float(agree / (ties[0] * ties[1]) ** 0.5)


def test_correlations_by_their_definitions() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(0, 5, (2, 9)).astype(float)
        assert kendall(a, b) == pytest.approx(by_pairs(a, b))
        ranks = [np.array([np.sum(x < v) + (np.sum(x == v) - 1) / 2 for v in x]) for x in (a, b)]
        assert spearman(a, b) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert np.isnan(
        [kendall(np.ones(3), np.arange(3.0)), spearman(np.arange(3.0), np.ones(3)), spearman(a[:1], a[:1])]
    ).all()


# --- the decision ---------------------------------------------------------------------------------------------------


def test_when_the_decision_changes() -> None:
    """A sum of 5 - 1 + 1 + 0.5 - 2: without the first token it is below 0; the least important ones first, it is not
    before the last token that is left; and what never changes counts 1.
    """
    model, batch = Additive((5, -1, 1, 0.5)), padded([[2, 3, 4, 5], [3, 1, 1]])
    target, scores = np.array([1, 0]), np.array([[5.0, -1, 1, 0.5], [1, 0, 0, 0]])
    np.testing.assert_allclose(flip_first(model, batch, target, scores), [0.25, 1])
    np.testing.assert_allclose(flip_last(model, batch, target, scores), [1, 1])
    np.testing.assert_allclose(flip_first(model, batch, target, -scores), [1, 1])
    np.testing.assert_allclose(flip_last(model, batch, target, -scores), [0.25, 1])


# --- infidelity -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalise", [False, True])
def test_captum_infidelity(model: RecurrentClassifier, normalise: bool) -> None:
    """On the mask of the tokens that are there, with the same draws."""
    batch = model.encode(TEXTS)
    target, scores = np.zeros(len(TEXTS), int), grad_x_input(model, batch, np.zeros(len(TEXTS), int))
    found = infidelity(model, batch, target, scores, rngs(batch), normalise=normalise, removal="mask")
    for i, (n, rng) in enumerate(zip(batch.lengths.tolist(), rngs(batch), strict=True)):
        ids = batch.ids[i, :n]

        def forward(there: torch.Tensor, ids: Integers = ids, n: int = n) -> torch.Tensor:
            masked = np.where(there.numpy() > 0, ids, model.unknown)
            logits = model.forward(Batch(masked, np.full(len(masked), n)))
            return torch.from_numpy(score(logits, np.zeros(len(masked), int), "logit"))

        def perturb(x: torch.Tensor, rng: Any = rng, n: int = n) -> tuple[torch.Tensor, torch.Tensor]:
            gone = torch.from_numpy(rng.random((len(x), n)) < 0.5).double()
            return gone, x - gone

        theirs = captum_infidelity(
            forward,
            perturb,
            torch.ones(1, n, dtype=torch.double),
            torch.from_numpy(scores[i : i + 1, :n].astype(float)),
            n_perturb_samples=32,
            normalize=normalise,
        )
        np.testing.assert_allclose(found[i], theirs.item(), rtol=1e-4, atol=1e-6)


def test_the_scores_of_a_sum_predict_everything() -> None:
    weights = np.array([WEIGHTS])
    for scale in (1, 100):
        found = infidelity(Additive(), TEN, ONE, scale * weights, rngs(TEN), normalise=scale > 1)
        assert found == pytest.approx(0, abs=1e-20)
    assert infidelity(Additive(), TEN, ONE, 100 * weights, rngs(TEN), normalise=False) > 1
    assert infidelity(Additive(), TEN, ONE, 0 * weights, rngs(TEN)) > 1


# --- explaining again -----------------------------------------------------------------------------------------------


@dataclass
class Explains:
    """A function of (model, batch, target) as what metrics ask again; with noise of its own, it draws."""

    function: Any
    noise: float = 0

    @property
    def random(self) -> bool:
        return self.noise > 0

    def __call__(
        self, model: Any, batch: Batch, target: Integers, *, draw: int = 0, like: Batch | None = None
    ) -> Array:
        found = np.asarray(self.function(model, batch, target), float)
        return found + self.noise * np.random.default_rng(draw).normal(size=found.shape) * batch.mask


def explaining(model: RecurrentClassifier, text: Batch) -> Any:
    """The gradient times input as Captum asks for it: with a tensor, or a tuple of one."""

    def explain(given: Any) -> tuple[torch.Tensor]:
        x = (given[0] if isinstance(given, tuple) else given).numpy()
        many = Batch(np.repeat(text.ids, len(x), 0), np.repeat(text.lengths, len(x)))
        return (torch.from_numpy((x * model.gradient(x, many, np.ones(len(x), int))).sum(-1)),)

    return explain


def moving(moves: list[Array]) -> Any:
    """What Captum calls with one argument: a text as often as there are moves."""
    return lambda given: given + torch.from_numpy(np.array(moves)).float()


def test_captum_max_sensitivity(model: RecurrentClassifier) -> None:
    """The gradient times input, with the same changes of the embeddings."""
    batch = model.encode(TEXTS)
    target = np.ones(len(TEXTS), int)
    scores = grad_x_input(model, batch, target)
    found = max_sensitivity(model, batch, target, scores, Explains(grad_x_input), rngs(batch), radius=0.1, samples=4)
    assert (found > 1e-3).any()
    for i, (n, rng) in enumerate(zip(batch.lengths.tolist(), rngs(batch), strict=True)):
        one = Batch(batch.ids[i : i + 1, :n], batch.lengths[i : i + 1])
        x, width = model.embed(one), batch.ids.shape[1]
        moves = [rng.uniform(-0.1, 0.1, (width, x.shape[2]))[:n] for _ in range(4)]

        theirs = captum_sensitivity(explaining(model, one), torch.from_numpy(x), moving(moves), n_perturb_samples=4)
        np.testing.assert_allclose(found[i], theirs.item(), rtol=1e-3, atol=1e-5)


def test_a_method_that_draws_nothing_has_no_stability_and_noise_has_little() -> None:
    model = checkpoint.load("sentiment-lstm")
    batch, target = model.encode([" ".join(TEXTS)]), ONE
    scores = grad_x_input(model, batch, target)
    assert np.isnan(seed_stability(model, batch, target, scores, Explains(grad_x_input)))
    little = seed_stability(model, batch, target, scores, Explains(grad_x_input, 1e-9))
    much = seed_stability(model, batch, target, scores, Explains(grad_x_input, 1e3))
    assert little > 0.99
    assert abs(much) < 0.8


def test_an_explanation_without_the_model_stays_as_it_is() -> None:
    model = checkpoint.load("sentiment-attention")
    batch = model.encode(["a fine film with a dull end , which I liked all the same", "not bad at all , not at all"])
    target = np.ones(2, int)

    def last(model: Any, batch: Batch, target: Integers) -> Array:
        return np.where(batch.mask, np.arange(batch.ids.shape[1]), 0)

    assert randomisation(model, batch, target, last(model, batch, target), Explains(last)) == pytest.approx(1)
    for method in (grad_x_input, attention):
        scores = method(model, batch, target)  # type: ignore[operator]
        found = cascade(model, batch, target, scores, Explains(method))
        assert found.shape == (4, 2)
        assert (found[-1] < 0.9).all()
    assert found[0] == pytest.approx(1)  # attention does not see the output layer
    other = cascade(model, batch, target, scores, Explains(method), 1)
    assert np.abs(other - found).max() > 0.1
    both = randomisation(model, batch, target, scores, Explains(method), orders=2)
    np.testing.assert_allclose(both, (found.mean(axis=0) + other.mean(axis=0)) / 2)


def test_scrambling_leaves_the_model_and_its_numbers() -> None:
    model = checkpoint.load("sentiment-attention")
    before = model.network.w_out.copy()
    assert model.parts == ("output", "pooling", "layer 0", "embedding")
    for count in range(5):
        changed = model.scrambled(count, np.random.default_rng(0)).network
        same = [changed.w_out is model.network.w_out, changed.pooling is model.network.pooling]
        same += [changed.levels is model.network.levels, changed.embedding is model.network.embedding]
        assert same == [i >= count for i in range(4)]
        np.testing.assert_array_equal(np.sort(changed.w_out, axis=None), np.sort(before, axis=None))
    np.testing.assert_array_equal(model.network.w_out, before)


def test_completeness_is_the_size_of_the_residual() -> None:
    scores = np.zeros((2, 10))
    model = Additive()
    assert completeness(model, TEN, ONE, scores, {"residual": np.array([-2.0, 1])}).tolist() == [2, 1]
    assert np.isnan(completeness(model, TEN, ONE, scores, {})).all()


# --- what people mark -----------------------------------------------------------------------------------------------


def marked(*places: int, length: int = 10, share: float = 0.3) -> Marked:
    return Marked(np.isin(np.arange(length), places)[None], share)


def test_plausibility_golden_values() -> None:
    """Tokens 1, 5 and 9 are marked: the three largest weights."""
    model, scores = Additive(), np.array([WEIGHTS])
    three, five = marked(1, 5, 9), marked(1, 5, 9, share=0.5)
    for metric in (token_f1, auprc):
        assert metric(model, TEN, ONE, scores, three) == pytest.approx(1)
    assert token_f1(model, TEN, ONE, scores, five) == pytest.approx(0.75)
    assert iou_f1(model, TEN, ONE, scores, three).tolist() == [[1, 1]]
    assert auprc(model, TEN, ONE, 1.0 - three.tokens, three) == pytest.approx(0.15)
    assert np.isnan(token_f1(model, TEN, ONE, scores, marked())).all()
    assert np.isnan(iou_f1(model, TEN, ONE, scores, marked())).all()


def test_spans_match_by_half_of_both() -> None:
    """Ours are 0-2 and 5; theirs 0-3, 5-7 and 9: the first has 3 of 4 in common, the second 1 of 3."""
    scores = np.array([[9.0, 8, 7, 0, 0, 6, 0, 0, 0, 0]])
    found = iou_f1(Additive(), TEN, ONE, scores, marked(0, 1, 2, 3, 5, 6, 7, 9, share=0.4))
    np.testing.assert_allclose(found, [[1 / 2, 1 / 3]])
    assert plausibility.spans(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    score = means.score(np.array([[1, 0.5], [0.5, 0], [np.nan, np.nan]]))  # as ERASER: of the mean P and R
    assert score.mean == pytest.approx(2 * 0.75 * 0.25 / (0.75 + 0.25))
    assert score.texts == 2


def test_area_as_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    batch = padded([[2] * 12, [2] * 7])
    for _ in range(30):
        scores, truth = rng.integers(-3, 4, (2, 12)).astype(float), rng.random((2, 12)) < 0.4
        truth[:, 0], truth[1, 7:] = True, False
        found = auprc(Additive(), batch, np.ones(2, int), scores, Marked(truth, 0.3))
        for i, n in enumerate((12, 7)):
            precision, recall, _ = precision_recall_curve(truth[i, :n], scores[i, :n])
            assert found[i] == pytest.approx(auc(recall, precision))


# --- means ----------------------------------------------------------------------------------------------------------


def test_intervals_of_means() -> None:
    """As wide as normal theory says, in 95 of 100 samples around the truth, the same for the same numbers."""
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(300, 200))
    scores = [means.score(values) for values in samples]
    assert np.mean([s.high - s.low for s in scores]) == pytest.approx(2 * 1.96 / 200**0.5, rel=0.03)
    assert 0.91 < np.mean([s.low < 0 < s.high for s in scores]) < 0.98
    assert means.score(samples[0]) == scores[0]
    assert scores[0].mean == pytest.approx(samples[0].mean())
    assert np.isnan(means.score(np.array([np.nan])).mean)
    few, more = means.score(np.arange(4.0)), means.score(np.arange(5.0))
    assert (few.mean, more.mean) == (1.5, 2)
    assert [np.isnan(few.low), np.isnan(more.low)] == [True, False]
