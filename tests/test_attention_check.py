"""The tests of attention: against loops, scipy and all corners; the adversary keeps its promise and beats chance."""

from __future__ import annotations

import json
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

import rnnx
from rnnx import attending, verdict
from rnnx.metrics import adversary as adversaries
from rnnx.metrics import reweighing
from rnnx.metrics.adversary import TOLERANCE, adversary, divergence
from rnnx.metrics.attention import check, gradient, leave_one_out
from rnnx.metrics.corners import corner
from rnnx.metrics.correlation import kendall
from rnnx.models import checkpoint
from rnnx.models.attended import Attended
from rnnx.models.batching import padded
from rnnx.models.protocols import Array, Batch
from rnnx.models.scores import probabilities
from rnnx.models.seeds import Rngs, generators
from rnnx.types import Explanation
from tests.conftest import Run
from tests.test_networks import Shape, arrays, named, numpy_model, random_batch

LENGTHS = [6, 2, 7, 1]


def drawn(batch: Batch, seed: int = 0) -> Rngs:
    return generators(seed, "check", {}, batch)


def made(seed: int, heads: int = 1, classes: int = 1, lengths: tuple[int, ...] = (6, 2, 9)) -> tuple[Attended, Batch]:
    """Some states and weights, without a network."""
    rng = np.random.default_rng(seed)
    batch = padded([[1] * n for n in lengths])
    scores = rng.normal(size=(*batch.ids.shape, heads))
    e = np.exp(scores) * batch.mask[..., None]
    states = rng.normal(size=(*batch.ids.shape, 2 * heads)) * batch.mask[..., None]
    return Attended(
        e / e.sum(1, keepdims=True), states, rng.normal(size=(2 * heads, classes)), np.zeros(classes)
    ), batch


def probability(found: Attended, i: int, weights: Array) -> Array:
    """What the model says of text i with these weights (T, K), by loops."""
    logits = found.bias.copy()
    for t, state in enumerate(found.states[i]):
        for unit, value in enumerate(state):
            logits = logits + weights[t, unit % weights.shape[1]] * value * found.w_out[unit]
    return probabilities(logits[None])[0]


def distance(found: Attended, i: int, weights: Array) -> float:
    return float(np.abs(probability(found, i, weights) - probability(found, i, found.weights[i])).sum() / 2)


MADE = [(1, 1), (1, 3), (3, 1), (2, 3)]  # heads and classes
kinds = pytest.mark.parametrize(("heads", "classes"), MADE)


# --- Kendall ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_kendall_is_that_of_scipy_with_and_without_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for a, b in ((rng.normal(size=12), rng.normal(size=12)), rng.integers(0, 4, (2, 12)).astype(float)):
        assert kendall(a, b) == pytest.approx(kendalltau(a, b).statistic)


def test_leave_one_out_and_gradient_by_loops() -> None:
    shape = Shape("lstm", 2, 1, "attention", "softmax")
    model, batch = numpy_model(shape, arrays(shape.torch(0))), random_batch(0, LENGTHS)
    before = probabilities(model.forward(batch))
    found, sizes = leave_one_out(model, batch), gradient(model, batch)
    x = model.embed(batch)
    by_hand = model.gradient_of_states(x, batch, before.argmax(1))
    for i, n in enumerate(LENGTHS):
        for t in range(n):
            rest = np.delete(batch.ids[i, :n], t) if n > 1 else [model.unknown]
            after = probabilities(model.forward(padded([rest])))[0]
            assert found[i, t] == pytest.approx(np.abs(after - before[i]).sum() / 2, abs=1e-9)
            assert sizes[i, t] == pytest.approx(abs(x[i, t] @ by_hand[i, t]))
        assert not found[i, n:].any()


# --- other weights ------------------------------------------------------------------------------------------


@kinds
def test_permuted_and_equal_weights_by_loops(heads: int, classes: int) -> None:
    found, batch = made(0, heads, classes)
    equal, shuffled = reweighing.uniform(found, batch), reweighing.permuted(found, batch, drawn(batch), draws=2001)
    for i, n in enumerate(batch.lengths):
        same = np.where(batch.mask[i, :, None], 1 / n, 0) * np.ones(heads)
        assert equal[i] == pytest.approx(distance(found, i, same))
        if n == 6:
            every = []
            for order in permutations(range(n)):
                weights = np.zeros_like(found.weights[i])
                weights[:n] = found.weights[i, list(order)]
                every.append(distance(found, i, weights))
            assert shuffled[i] == pytest.approx(np.median(every), abs=0.02)


@kinds
def test_erasing_by_loops(heads: int, classes: int) -> None:
    found, batch = made(1, heads, classes, (6, 2, 9, 1))
    shares = reweighing.erased(found, batch, drawn(batch), draws=3000)
    for i, n in enumerate(batch.lengths.tolist()):
        own = probability(found, i, found.weights[i])
        slope = np.zeros((n, heads))
        for t, k in product(range(n), range(heads)):
            gains = found.states[i, t, k::heads] @ found.w_out[k::heads]
            target = own.argmax()
            slope[t, k] = gains[target] if classes > 1 else (gains[0] if target else -gains[0])
        weights = found.weights[i, :n]

        def flips(order: list[int], i: int = i, n: int = n, own: Array = own) -> float:
            left = found.weights[i].copy()
            for count, t in enumerate(order[:-1], 1):
                left[t] = 0
                if probability(found, i, left / left.sum(0)).argmax() != own.argmax():
                    return count / n
            return 1.0

        for name, scores in (("attention", weights), ("gradient", slope), ("product", weights * slope)):
            order = np.argsort(-scores.mean(1), kind="stable").tolist()
            assert shares[name][i] == pytest.approx(flips(order)), name
        if n <= 6:
            every = np.mean([flips(list(order)) for order in permutations(range(n))])
            assert shares["random"][i] == pytest.approx(every, abs=0.02)


def test_a_weight_of_nothing_left_is_no_division_by_it() -> None:
    found, batch = made(0, lengths=(3,))
    found.weights[0] = [[1.0], [0.0], [0.0]]
    shares = reweighing.erased(found, batch, drawn(batch))
    assert all(0 < share[0] <= 1 for share in shares.values())


# --- the adversary ------------------------------------------------------------------------------------------


def jensen_shannon(one: Array, other: Array) -> float:
    """Of weights (T, K), by the definition, the mean over the heads."""

    def kullback(p: Array, q: Array) -> float:
        return sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)

    both = [(kullback(p, (p + q) / 2) + kullback(q, (p + q) / 2)) / 2 for p, q in zip(one.T, other.T, strict=True)]
    return float(np.mean(both))


def test_divergence_by_its_definition() -> None:
    found, _ = made(0, 2)
    for i, j in product(range(3), repeat=2):
        expected = jensen_shannon(found.weights[i], found.weights[j])
        assert divergence(found.weights[i], found.weights[j]) == pytest.approx(expected, abs=1e-12)
    ends = np.eye(2)[:, :, None]
    assert divergence(ends[0], ends[1]) == pytest.approx(np.log(2))


@kinds
@pytest.mark.parametrize("tolerance", [0.001, TOLERANCE, 0.2])
def test_the_adversary_keeps_its_constraint(heads: int, classes: int, tolerance: float) -> None:
    """By loops, on what comes back; and they are weights."""
    for seed in range(3):
        found, batch = made(seed, heads, classes, (6, 2, 9, 1))
        other = adversary(found, batch, drawn(batch, seed), tolerance)
        for i in range(4):
            assert distance(found, i, other.weights[i]) <= tolerance
            assert other.change[i] == pytest.approx(distance(found, i, other.weights[i]), abs=1e-12)
            assert other.divergence[i] == pytest.approx(jensen_shannon(found.weights[i], other.weights[i]), abs=1e-9)
        np.testing.assert_allclose(other.weights.sum(1), 1)
        assert (other.weights >= 0).all()
        assert not other.weights[~batch.mask].any()


@kinds
def test_the_adversary_beats_random_search(heads: int, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without the corners, of as many weights as the optimiser has looked at."""
    monkeypatch.setattr(adversaries, "corner", lambda *given: None)
    found, batch = made(3, heads, classes, (6, 9, 12))
    other = adversary(found, batch, drawn(batch))
    rng = np.random.default_rng(0)
    at = np.where(batch.mask[:, None, :, None], rng.normal(size=(3, 2500, *found.weights.shape[1:])), -np.inf)
    tried = np.exp(at) / np.exp(at).sum(2, keepdims=True)
    there = reweighing.variation(found, tried) <= TOLERANCE
    best = np.where(there, divergence(tried, found.weights[:, None]), 0).max(1)
    assert there.any()
    assert (other.divergence > best).all()


@pytest.mark.parametrize("classes", [1, 2])
def test_the_farthest_corner_is_the_farthest(classes: int) -> None:
    """All corners of the allowed weights, one by one, and nothing that is drawn lies farther."""
    for seed in range(8):
        found, batch = made(seed, 1, classes, (5,))
        weights = corner(found, batch, TOLERANCE)
        assert weights is not None
        assert distance(found, 0, weights[0]) <= TOLERANCE + 1e-12
        best = jensen_shannon(found.weights[0], weights[0])
        assert best >= max(far(found, pair) for pair in permutations(range(5), 2)) - 1e-9
        tried = np.random.default_rng(seed).dirichlet(np.full(5, 0.3), (1, 4000))[..., None]
        there = reweighing.variation(found, tried)[0] <= TOLERANCE
        assert (divergence(tried[0, there], found.weights[0]) <= best + 1e-9).all()
        assert adversary(found, batch, drawn(batch)).divergence[0] == pytest.approx(best, abs=1e-6)


def far(found: Attended, pair: tuple[int, int]) -> float:
    """The largest divergence of weights that two tokens share, at 2,001 shares."""
    best = 0.0
    for share in np.linspace(0, 1, 2001):
        weights = np.zeros((5, 1))
        weights[pair[0]], weights[pair[1]] = share, 1 - share
        if reweighing.variation(found, weights[None, None])[0, 0] <= TOLERANCE:
            best = max(best, jensen_shannon(found.weights[0], weights))
    return best


def test_there_is_no_corner_to_compute_for_several_heads_or_three_classes() -> None:
    for heads, classes in ((2, 1), (1, 3)):
        assert corner(*made(0, heads, classes), TOLERANCE) is None


# --- together -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [Shape("lstm", 2, 1, "attention"), Shape("gru", 1, 1, "dot-attention", "softmax", 3)], ids=named
)
def test_a_text_alone_and_in_a_batch_have_the_same_figures(shape: Shape) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(1))), random_batch(1, LENGTHS)
    together = check(model, batch, drawn(batch))
    assert set(together) == set(verdict.FIGURES)
    for i, n in enumerate(LENGTHS):
        one = Batch(batch.ids[i : i + 1, :n], batch.lengths[i : i + 1])
        alone = check(model, one, drawn(one))
        for name, values in alone.items():
            np.testing.assert_allclose(together[name][i], values[0], atol=1e-6, err_msg=name)


GOOD = dict.fromkeys(verdict.FIGURES, 0.6) | {
    "adversary_divergence": 0.3,
    "erased_attention": 0.2,
    "erased_gradient": 0.2,
}
BAD: dict[str, float | None] = {
    "tau_leave_one_out": 0.49,
    "tau_gradient": 0.49,
    "change_uniform": 0.04,
    "adversary_divergence": 0.36,
    "erased_attention": 0.21,
}


@pytest.mark.parametrize(
    ("failed", "said"), list(enumerate(["explains", *["explains in part"] * 2, *["does not explain"] * 3]))
)
def test_the_verdict_counts_the_tests(failed: int, said: str) -> None:
    worse = dict(list(BAD.items())[:failed])
    assert verdict.report({**GOOD, **worse})["verdict"] == said
    assert sum(verdict.report({**GOOD, **worse})["tests"].values()) == 5 - failed


def test_what_has_no_order_cannot_be_tested() -> None:
    assert verdict.report({**GOOD, "tau_gradient": None})["verdict"] == verdict.UNTESTED
    model = checkpoint.load("sentiment-attention")
    (e,) = attending.checked(model, rnnx.explain(model, ["superb"], "attention"))
    assert e.diagnostics["check"]["verdict"] == verdict.UNTESTED
    assert e.diagnostics["check"]["tau_gradient"] is None


def test_means_and_deviations_leave_out_what_is_not_there() -> None:
    reports: Any = [{**GOOD, "tau_gradient": tau} for tau in (0.1, None, 0.5)]
    assert verdict.means(verdict.sums(reports))["tau_gradient"] == pytest.approx(0.3)
    assert verdict.deviations(verdict.sums(reports))["tau_gradient"] == pytest.approx(np.std([0.1, 0.5], ddof=1))
    assert verdict.means(verdict.sums([{**GOOD, "tau_gradient": None}]))["tau_gradient"] is None


def test_a_check_survives_json_and_does_not_depend_on_the_other_texts() -> None:
    model = checkpoint.load("sentiment-attention")
    texts = ["not bad at all", "dull", "I expected to hate it but loved it", "a film"]
    found = list(attending.checked(model, rnnx.explain(model, texts, "attention"), seed=3))
    for text, e in zip(texts, found, strict=True):
        assert Explanation.from_dict(json.loads(json.dumps(e.to_dict()))) == e
        (alone,) = attending.checked(model, rnnx.explain(model, [text], "attention"), seed=3)
        for name in verdict.FIGURES:
            assert alone.diagnostics["check"][name] == pytest.approx(e.diagnostics["check"][name], abs=1e-5)


# --- the command line ---------------------------------------------------------------------------------------


def test_one_text_gets_its_verdict(run: Run) -> None:
    out = run("explain", "--check", "I expected to hate it but loved it").out
    assert "method: attention\n" in out
    assert "verdict: attention does not explain this prediction" in out
    assert out.count("check: ") == 5
    screen = run("explain", "--check", "I expected to hate it but loved it", screen=True).out
    assert "2 of 5 tests passed" in screen
    assert all(
        len(line) <= 80
        for line in run("explain", "--check", "not bad", "--format", "text", "--color", "never").out.splitlines()
    )


def test_several_texts_get_one_verdict(run: Run) -> None:
    for screen in (False, True):
        out = run("explain", "--check", "not bad at all", "a dull film", screen=screen).out
        assert "does attention explain these 2 predictions?" in out.replace("\n", " ")
        assert "attention, on average, " in out
        assert "predicted negative (1)" in out


def test_other_formats_have_the_figures_and_stderr_the_verdict(run: Run) -> None:
    done = run("explain", "--check", "--format", "jsonl", "not bad at all", "a dull film")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [set(record["diagnostics"]["check"]) for record in records] == [{*verdict.FIGURES, "tests", "verdict"}] * 2
    assert "verdict: attention, on average" in done.err


@pytest.mark.parametrize(("kind", "lines"), [("csv", 5), ("tsv", 5), ("csv-wide", 2)])
def test_a_table_has_the_verdict_on_stderr_also_of_one_text(run: Run, kind: str, lines: int) -> None:
    done = run("explain", "--check", "--format", kind, "not bad at all")
    assert len(done.out.splitlines()) == lines
    assert done.err.startswith("does attention explain this prediction?")


def test_regions_of_several_texts_are_shown_before_the_verdict(run: Run) -> None:
    out = run("explain", "--check", "--by", "sentence", "not bad at all", "a dull film").out
    assert out.count("sentence\tscore\ttext") == 2
    assert out.index("a dull film") < out.index("does attention explain these 2 predictions?")


@pytest.mark.parametrize(
    ("argv", "error", "hint"),
    [
        (
            ["--check", "-m", "sentiment-lstm"],
            "sentiment-lstm does not have",
            "models with attention: sentiment-attention",
        ),
        (["--check", "--method", "lrp"], "--check is about attention, not about lrp", "attention-grad"),
        (["--by", "unit", "--method", "lrp"], "--by unit is about attention, not about lrp", "attention-grad"),
        (["--check", "--view", "chain"], "about scores", "leave out --view"),
        (["--by", "unit", "-m", "sentiment-lstm"], "sentiment-lstm does not have", "lrp"),
    ],
)
def test_what_cannot_be_checked_is_said(run: Run, argv: list[str], error: str, hint: str) -> None:
    done = run("explain", *argv, "fine")
    assert done.code == 2
    assert error in done.err.splitlines()[0]
    assert hint in done.err.splitlines()[1]
