"""Noise, other orders, the fast occlusion and the greedy one: closed forms, loops, and what has to add up."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass
from itertools import count, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rnnx
from rnnx.methods import coalitions
from rnnx.methods import permutation as permuting
from rnnx.methods.adjoint import occlusion_fast
from rnnx.methods.drawing import ROUND, until
from rnnx.methods.greedy import greedy
from rnnx.methods.noise import noise, sensitivity
from rnnx.methods.occlusion import occlusion
from rnnx.methods.permutation import SHUFFLES, permutation
from rnnx.models import checkpoint
from rnnx.models.batching import padded
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Batch, Integers
from rnnx.models.scores import probabilities, score
from rnnx.types import Attribution
from tests.conftest import Run
from tests.test_networks import Shape, arrays, few, named, numpy_model, random_batch, seeds, shapes, some_lengths
from tests.test_occlusion import SHAPES, embeddings, read
from tests.test_paths import rngs

ROOT = Path(__file__).parent.parent
LONG = "I expected to hate it but loved it. The plot is not bad, though the ending made me angry."


# --- closed forms ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sum:
    """Embeddings (id, -2 id); the logit is the sum over the tokens of w . x_t, or times their place if they count."""

    w: Array
    places: bool = False
    name = "sum"
    labels = ("negative", "positive")
    provides = frozenset({"gradients"})
    unknown = 1
    word_ids = np.arange(2, 12)

    def embed(self, batch: Batch) -> Array:
        return np.stack([batch.ids, -2 * batch.ids], -1).astype(float)

    def logits(self, x: Array, batch: Batch) -> Array:
        weights = np.arange(1, x.shape[1] + 1) if self.places else np.ones(x.shape[1])
        return (((x @ self.w) * batch.mask) @ weights)[:, None]

    def forward(self, batch: Batch) -> Array:
        return self.logits(self.embed(batch), batch)


def test_noise_on_a_linear_model_is_half_normal() -> None:
    """|w . noise| has the mean |w| sigma sqrt(2 / pi), whatever the token, and w . noise the mean 0."""
    model: Any = Sum(np.array([3.0, -4.0]))
    batch, target = padded([[3, 9, 5], [4]]), np.array([1, 0])
    sigma = 0.7 * model.embed(Batch(model.word_ids[None], np.array([10]))).std()
    given: dict[str, Any] = {"scale": 0.7, "samples": 4000, "tolerance": 0.0}
    found, said = noise(model, batch, target, rngs(batch), **given)
    np.testing.assert_array_equal(said["draws"], 4000)
    expected = 5 * sigma * np.sqrt(2 / np.pi)
    np.testing.assert_allclose(found[batch.mask], expected, atol=5 * said["standard_error"].max())
    assert said["standard_error"] == pytest.approx([5 * sigma * np.sqrt((1 - 2 / np.pi) / 4000)] * 2, rel=0.1)
    columns = sensitivity(model, batch, target, rngs(batch), **given).found
    np.testing.assert_array_equal(columns["|dy|"], found)  # type: ignore[index,call-overload]  # a dictionary
    assert np.abs(columns["dy"]).max() < 5 * columns["error of dy"].max()  # type: ignore[index,call-overload]


@pytest.mark.parametrize("scale", [0, 1e-12])
@pytest.mark.parametrize("name", ["sentiment-lstm", "sentiment-attention"])
def test_no_noise_changes_nothing(name: str, scale: float) -> None:
    """Nor noise that single precision cannot add; and no rounding is taken for a change."""
    texts = ["not bad", "great", "a dull film " * 20]
    for e in rnnx.explain(checkpoint.load(name), texts, "noise", scale=scale):
        assert isinstance(e.evidence, Attribution)
        assert not any(e.evidence.scores)
        assert e.diagnostics["draws"] == ROUND  # nothing moves: the first look is enough


@pytest.mark.parametrize("method", ["occlusion", "greedy", "permutation", "shapley", "kernel-shap", "lime"])
def test_where_nothing_changes_there_is_no_rounding(method: str) -> None:
    """Every token is one that the model does not know; a text that it knows is read beside them."""
    texts = ["a fine film", "xqzzy", "xqzzy wwqq vvkk", "a dull film too", "xqzzy " * 30, "xqzzy wwqq", "good"]
    for name in ("sentiment-lstm", "sentiment-attention"):
        model = checkpoint.load(name)
        for e in rnnx.explain(model, texts, method):
            assert isinstance(e.evidence, Attribution)
            known = len(e.diagnostics["unknown_tokens"]) < len(e.tokens) and (
                len(e.tokens) > 1 or method != "permutation"
            )
            assert any(e.evidence.scores) == known


def test_a_model_that_counts_words_does_not_see_their_order() -> None:
    model: Any = Sum(np.array([1.0, 0.0]))
    batch = padded([[3, 9, 5], [4]])
    for mode in ("swap", "move", "shuffle-window"):
        found, said = permutation(model, batch, np.ones(2, int), rngs(batch), mode=mode)
        assert not found.any()
        assert not said["order_sensitivity"].any()


def test_swaps_where_places_count() -> None:
    """A token of value a at place i and one of value b at place j change it by (a - b) (j - i) when they swap."""
    model: Any = Sum(np.array([1.0, 0.0]), places=True)
    ids, reach = np.array([3, 9, 5, 4, 8]), 2
    batch = padded([ids.tolist()])
    found, said = permutation(
        model, batch, np.ones(1, int), rngs(batch), mode="swap", reach=reach, samples=4000, tolerance=0.0
    )
    for i in range(5):
        others = [j for j in range(5) if 0 < abs(i - j) <= reach]
        expected = np.mean([abs((ids[i] - ids[j]) * (j - i)) for j in others])
        assert found[0, i] == pytest.approx(expected, abs=8 * said["standard_error"][0])
    orders = np.array([ids[list(order)] @ np.arange(1, 6) for order in permutations(range(5))])
    changes = np.abs(orders - ids @ np.arange(1, 6))
    error = changes.std() / np.sqrt(SHUFFLES)
    assert said["order_sensitivity"][0] == pytest.approx(changes.mean(), abs=4 * error)


@given(st.integers(1, 9), st.integers(1, 4), seeds, st.sampled_from(["swap", "move", "shuffle-window"]))
def test_an_order_is_the_text_in_another_order(length: int, reach: int, seed: int, mode: str) -> None:
    """As lists have it: a swap, a token taken out and put in, a window shuffled."""
    rng = np.random.default_rng(seed)
    place = np.arange(length)
    spots, sources = permuting._orders(mode, place, np.full(length, length), rng.random((length, 2 * reach + 1)))
    for i in place:
        text = list(range(length))
        for spot, source in zip(spots[i], sources[i], strict=True):
            if spot != source:
                text[spot] = source
        assert sorted(text) == list(range(length))
        moved = [k for k in range(length) if text[k] != k]
        assert all(abs(k - i) <= reach for k in moved)
        if mode == "swap" and length > 1:
            (other,) = [k for k in moved if k != i]
            assert (text[i], text[other]) == (other, i)
        if mode == "move" and length > 1:
            rest = [k for k in range(length) if k != i]
            rest.insert(text.index(i), i)
            assert text == rest != list(range(length))


# --- against loops over single texts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_noise_is_what_a_loop_finds(shape: Shape, seed: int, lengths: list[int]) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(seed))), random_batch(seed, lengths)
    target = np.zeros(len(lengths), int)
    found, said = noise(model, batch, target, rngs(batch), samples=5, of="loss")
    spread = 0.5 * model.network.embedding[2:].std()
    for row, ids, n, rng in zip(found, batch.ids, batch.lengths, rngs(batch), strict=True):
        drawn, x = rng.standard_normal((5, n, 4)), embeddings(model, ids[:n], set(), "mask")
        whole = read(model, x, 0, "loss")
        for place in range(n):
            noisy = [x + spread * np.where(np.arange(n)[:, None] == place, draw, 0) for draw in drawn]
            changes = [abs(read(model, each, 0, "loss") - whole) for each in noisy]
            assert row[place] == pytest.approx(np.mean(changes), abs=1e-9)
        assert not row[n:].any()
    assert (said["draws"] == 5).all()


@pytest.mark.parametrize("mode", ["swap", "move", "shuffle-window"])
def test_orders_are_what_a_loop_finds(mode: Any) -> None:
    shape = Shape("lstm", 2, 1, "attention")
    model, batch = numpy_model(shape, arrays(shape.torch(3))), random_batch(3, [7, 2, 1])
    found, said = permutation(model, batch, np.ones(3, int), rngs(batch), mode=mode, samples=4, reach=3)
    order = zip(said["order_sensitivity"], said["order_error"], strict=True)
    for row, ids, n, rng, (sensitivity_, error) in zip(
        found, batch.ids, batch.lengths.tolist(), rngs(batch), order, strict=True
    ):
        text = ids[:n]
        whole = float(model.forward(padded([text.tolist()]))[0, 0])
        shuffled = rng.permuted(np.tile(np.arange(n), (SHUFFLES, 1)), axis=1)
        changes = np.abs(model.forward(padded(text[shuffled].tolist()))[:, 0] - whole)
        assert sensitivity_ == pytest.approx(changes.mean(), abs=1e-9)
        assert error == pytest.approx(changes.std(ddof=1) / np.sqrt(SHUFFLES), abs=1e-9)
        wide = 2 * min(3, n - 1) + 1
        spots, sources = permuting._orders(mode, np.tile(np.arange(n), 4), np.full(4 * n, n), rng.random((4 * n, wide)))
        for place in range(n):
            changes = []
            for k in range(place, 4 * n, n):
                other = text.copy()
                there = (spots[k] >= 0) & (spots[k] < n)
                other[spots[k][there]] = text[sources[k][there]]
                changes.append(abs(float(model.forward(padded([other.tolist()]))[0, 0]) - whole))
            assert row[place] == pytest.approx(np.mean(changes), abs=1e-9)


@pytest.mark.parametrize("mode", ["swap", "move", "shuffle-window"])
def test_no_token_goes_farther_than_the_text(mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far it may: nor does it take more memory; and the parts in which that is computed change nothing."""
    model, batch = checkpoint.load("sentiment-lstm"), random_batch(3, [7, 2, 1])
    found, other = (
        permutation(model, batch, np.ones(3, int), rngs(batch), mode=mode, samples=20, reach=reach).found
        for reach in (6, 10**9)
    )
    np.testing.assert_array_equal(found, other)
    monkeypatch.setattr(coalitions, "AT_ONCE", 100)
    parts = permutation(model, batch, np.ones(3, int), rngs(batch), mode=mode, samples=20, reach=6).found
    np.testing.assert_allclose(parts, found, atol=1e-5)


def test_long_windows_stay_within_their_memory() -> None:
    """A million tokens of changed texts are written out together, not all of them."""
    shape = Shape("rnn")
    model, batch = numpy_model(shape, arrays(shape.torch(0))), random_batch(0, [1000])
    for work in (
        lambda: permutation(
            model, batch, np.ones(1, int), rngs(batch), mode="shuffle-window", reach=900, samples=2, tolerance=0.0
        ),
        lambda: occlusion(model, batch, np.ones(1, int), rngs(batch), window=500, removal="sample", samples=8),
    ):
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**27


# --- the fast occlusion ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("removal", ["mask", "delete", "pad", "mean"])
@pytest.mark.parametrize("shape", shapes(layers=2, output="softmax") + shapes(layers=1, kind="gru"), ids=named)
def test_the_fast_occlusion_follows_the_steps(shape: Shape, removal: Any) -> None:
    """State by state from torch's cells, and the adjoints from what every step makes of the rest."""
    model, batch = numpy_model(shape, arrays(shape.torch(5))), random_batch(5, [5, 3, 1])
    target = np.array([1, 0, 1])
    found = occlusion_fast(model, batch, target, removal=removal)
    steps, table = model.steps(model.embed(batch), batch, target), model.network.embedding
    other = {"mask": table[1], "pad": 0 * table[0], "mean": table[2:].mean(0)}
    size = steps.states.shape[3] // shape.directions
    for b, n in enumerate(batch.lengths.tolist()):
        for t in range(n):
            expected = 0.0
            for direction in range(shape.directions):
                units = slice(direction * size, (direction + 1) * size)
                states, adjoint = steps.states[b, :n, :, units], steps.adjoints[b, t, :, units]
                earlier = t + 1 if direction else t - 1
                before = states[earlier] if 0 <= earlier < n else np.zeros_like(states[t])
                if removal == "delete" and n > 1:
                    instead = before
                else:  # without its only token a text is read as one unknown word
                    instead = torch_step(shape, direction, before, other.get(removal, table[1]))
                expected += float((adjoint * (states[t] - instead)).sum())
            assert found[b, t] == pytest.approx(expected, abs=1e-9)
        assert not found[b, n:].any()


def torch_step(shape: Shape, direction: int, state: Array, x: Array) -> Array:
    """One step of the bottom layer of ``shape.torch(5)``."""
    recurrent = shape.torch(5).recurrent
    kinds: dict[str, Any] = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}
    size = recurrent.hidden_size
    if shape.kind in kinds:
        cell = kinds[shape.kind](len(x), size)
    else:
        cell = torch.nn.RNNCell(len(x), size, nonlinearity="relu" if shape.kind == "rnn-relu" else "tanh")
    end = "_reverse" if direction else ""
    cell.double().load_state_dict({n: getattr(recurrent, f"{n}_l0{end}") for n, _ in cell.named_parameters()})
    given_ = tuple(torch.from_numpy(part.copy())[None] for part in state)
    new = cell(torch.from_numpy(x.copy())[None], given_ if shape.kind == "lstm" else given_[0])
    parts = new if shape.kind == "lstm" else (new,)
    return np.stack([part[0].detach().numpy() for part in parts])


def test_the_last_token_of_a_linear_readout_is_exact() -> None:
    """What follows its step is the output layer alone, a straight line."""
    for kind in ("lstm", "gru", "rnn", "rnn-relu"):
        shape = Shape(kind)
        model, batch = numpy_model(shape, arrays(shape.torch(6))), random_batch(6, [6])
        fast = occlusion_fast(model, batch, np.ones(1, int))
        exact = occlusion(model, batch, np.ones(1, int), ()).found
        assert isinstance(exact, np.ndarray)
        assert fast[0, -1] == pytest.approx(exact[0, -1], abs=1e-9)


@pytest.mark.parametrize("name", ["sentiment-lstm", "sentiment-attention"])
def test_the_fast_occlusion_is_near_the_exact_one(name: str) -> None:
    """Nearer than gradient times input."""
    model = checkpoint.load(name)
    lines = (ROOT / "sample_data" / "reviews.txt").read_text("utf-8").splitlines()
    texts = [line for line in lines if len(line.split()) > 12][:40]

    def found(method: str, **given_: Any) -> list[Array]:
        return [np.array(e.evidence.scores) for e in rnnx.explain(model, texts, method, **given_)]  # type: ignore[union-attr]

    exact = found("occlusion", removal="pad")

    def likeness(other: list[Array]) -> float:
        return float(np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(exact, other, strict=True)]))

    fast, product = likeness(found("occlusion-fast", removal="pad")), likeness(found("grad-x-input"))
    assert fast > 0.85
    assert fast > product


# --- greedy ---------------------------------------------------------------------------------------------------------


def by_search(
    model: RecurrentClassifier, ids: Integers, target: int, removal: str, until_: str, most: int
) -> tuple[Array, int]:
    """One token after another, every one tried; the scores, and after how many the decision changed."""
    scores, taken, flip = np.zeros(len(ids)), set[int](), 0

    def said(places: set[int]) -> bool:
        x = embeddings(model, ids, places, removal)
        logits = model.logits(x[None], Batch(np.zeros((1, len(x)), int), np.array([len(x)])))
        return bool(probabilities(logits)[0].argmax() == target)

    def value(places: set[int]) -> float:
        return read(model, embeddings(model, ids, places, removal), target, "logit")

    first = said(taken)
    while len(taken) < min(most, len(ids)) and (not flip or until_ == "end"):
        falls = {p: value(taken) - value(taken | {p}) for p in range(len(ids)) if p not in taken}
        best = max(falls, key=lambda p: falls[p] if first else -falls[p])
        scores[best] = falls[best]
        taken.add(best)
        if not flip and said(taken) != first:
            flip = len(taken)
    return scores, flip


@pytest.mark.parametrize("removal", ["mask", "delete", "pad", "mean"])
@pytest.mark.parametrize("until_", ["flip", "end"])
def test_greedy_is_what_a_search_finds(removal: Any, until_: Any) -> None:
    flips = 0
    for seed, shape in enumerate([*SHAPES, *SHAPES]):
        model, batch = numpy_model(shape, arrays(shape.torch(seed))), random_batch(seed, [6, 3, 1, 5])
        target = np.arange(4) % len(model.labels)
        found, said = greedy(model, batch, target, removal=removal, until=until_, most=4)
        assert isinstance(found, np.ndarray)
        for i, n in enumerate(batch.lengths):
            scores, flip = by_search(model, batch.ids[i, :n], target[i], removal, until_, 4)
            np.testing.assert_allclose(found[i, :n], scores, atol=1e-9)
            assert not found[i, n:].any()
            assert said["flips_after"][i] == flip
            assert said["taken"][i] == (flip if flip and until_ == "flip" else min(n, 4))
            flips += bool(flip)
    assert flips > 5


def test_what_greedy_takes_away_adds_up_and_changes_the_decision() -> None:
    model = checkpoint.load("sentiment-lstm")
    batch = model.encode([LONG])
    for target in (0, 1):
        found, said = greedy(model, batch, np.array([target]))
        assert isinstance(found, np.ndarray)
        count = said["flips_after"][0]
        assert 0 < count == np.count_nonzero(found)
        assert (np.sign(found[found != 0]) == np.sign(found[found != 0][0])).all()
        left = model.forward(Batch(np.where(found != 0, model.unknown, batch.ids), batch.lengths))
        whole = model.forward(batch)
        assert left[0, 0] * whole[0, 0] < 0
        fall = score(whole, np.array([target]), "logit") - score(left, np.array([target]), "logit")
        assert found.sum() == pytest.approx(float(fall[0]), abs=1e-4)


def test_the_first_greedy_token_is_that_of_occlusion() -> None:
    model = checkpoint.load("sentiment-attention")
    (greedily,), (exact,) = (rnnx.explain(model, [LONG], name) for name in ("greedy", "occlusion"))
    assert isinstance(greedily.evidence, Attribution)
    assert isinstance(exact.evidence, Attribution)
    assert np.argmax(exact.evidence.scores) in np.flatnonzero(greedily.evidence.scores)


# --- drawing --------------------------------------------------------------------------------------------------------


def test_texts_stop_by_themselves() -> None:
    """Their draws are their own; the second one's are all the same."""
    batch = padded([[3, 4], [5, 6]])
    asked: list[tuple[list[int], int]] = []

    def draw(part: Batch, rows: Integers, generators: Any, count: int) -> Array:
        asked.append((rows.tolist(), count))
        spread = np.array([1.0, 0.0])[rows]
        values = [1 + s * rng.standard_normal((count, 2, 1)) for s, rng in zip(spread, generators, strict=True)]
        return np.stack(values)

    found = until(draw, batch, rngs(batch), 40, 0.01)
    assert asked == [([0, 1], 16), ([0], 16), ([0], 8)]
    np.testing.assert_array_equal(found.draws, [40, 16])
    np.testing.assert_array_equal(found.mean[1], 1)
    again = np.concatenate([rngs(batch)[0].standard_normal((40, 2, 1))]) + 1
    np.testing.assert_allclose(found.mean[0], again.mean(0))
    np.testing.assert_allclose(found.error[0], again.std(0, ddof=1) / np.sqrt(40))


@pytest.mark.parametrize("method", ["noise", "permutation", "occlusion"])
def test_a_tolerance_ends_the_draws(method: str) -> None:
    model = checkpoint.load("sentiment-lstm")
    sampled: dict[str, Any] = {"removal": "sample"} if method == "occlusion" else {}
    found = [next(rnnx.explain(model, [LONG], method, samples=96, tolerance=t, **sampled)) for t in (0.5, 0)]
    few_, all_ = (e.diagnostics for e in found)
    assert few_["draws"] == ROUND < all_["draws"] == 96
    assert all_["standard_error"] < few_["standard_error"]
    assert isinstance(found[0].evidence, Attribution)
    largest = max(map(abs, found[0].evidence.scores))
    assert few_["standard_error"] <= 0.5 * largest


@pytest.mark.parametrize("method", ["noise", "permutation"])
def test_draws_belong_to_the_text(method: str) -> None:
    model = checkpoint.load("sentiment-attention")
    texts = ["not a bad film", "dull", LONG]
    for text, e in zip(texts, rnnx.explain(model, texts, method, seed=4), strict=True):
        (alone,) = rnnx.explain(model, [text], method, seed=4)
        np.testing.assert_allclose(alone.evidence.scores, e.evidence.scores, atol=1e-5)  # type: ignore[union-attr]
        assert alone.diagnostics["draws"] == e.diagnostics["draws"]
        (other,) = rnnx.explain(model, [text], method, seed=5)
        assert other.evidence != e.evidence or len(e.tokens) == 1


# --- as a user ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "setting", "part"),
    [
        ("noise", "scale=-1", "scale must be a number of at least 0"),
        ("noise", "samples=0", "samples must be a whole number from 1 to 1000000000"),
        ("permutation", "mode=swop", "did you mean swap"),
        ("permutation", "reach=0", "reach must be a whole number from 1 to 1000000000"),
        ("occlusion-fast", "removal=sample", "removal must be one of mask, delete, pad, mean"),
        ("greedy", "until=never", "until must be one of flip, end"),
        ("greedy", "most=0", "most must be a whole number from 1 to 1000000000"),
    ],
)
def test_nonsense_is_said_in_a_line(run: Run, method: str, setting: str, part: str) -> None:
    result = run("explain", "--method", method, "--set", setting, "fine")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert part in result.err


@pytest.mark.parametrize(
    ("argv", "note"),
    [
        (["a masterpiece"], "the model no longer says positive"),
        (["a masterpiece", "--target", "negative"], "the model says negative"),
        (
            ["a superb, moving, wonderful, brilliant masterpiece", "--set", "most=1"],
            "without this token the model still says",
        ),
        ([LONG, "--set", "until=end", "--set", "most=9"], "of these 9 tokens the model no longer says"),
    ],
)
def test_greedy_says_what_it_changed(run: Run, argv: list[str], note: str) -> None:
    result = run("explain", "--method", "greedy", "-f", "plain", *argv)
    assert result.code == 0
    assert note in result.out


def test_the_order_of_a_text_is_said(run: Run) -> None:
    result = run("explain", "--method", "permutation", "-f", "plain", LONG)
    assert "with all tokens in random order, what is explained changes by" in result.out
    assert "on average, with a standard error of" in result.out


def test_changes_of_both_directions_have_bars(run: Run) -> None:
    result = run("explain", "--view", "sensitivity", "-f", "text", "not bad at all")
    assert result.code == 0
    rows = [line.split() for line in result.out.splitlines() if line.strip().startswith(("not", "bad", "at", "all"))]
    assert len(rows) == 4
    assert max(len(row) for row in rows) == 7  # a token, three numbers, three bars


def test_long_work_is_seen_and_gone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, while there is nothing else to see."""
    clock = count(0, 2)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    argv = ["explain", "--method", "occlusion", "a good film"]
    live = run(*argv, screen=True)
    assert "0 texts explained, 4 changed texts read" in live.err  # three, and the text itself
    assert live.err.endswith("\r\x1b[K")
    assert run(*argv).err == ""
