"""Contextual decomposition and the telescoping scores against loops written from the papers' equations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import rnnx
from rnnx.errors import ConfigError, DataError, Unexplained, Unsupported
from rnnx.methods import contextual as methods
from rnnx.methods.contextual import cd, phrases
from rnnx.methods.hierarchy import _peaks, hierarchy
from rnnx.methods.interaction import interaction
from rnnx.methods.telescoping import cell, reat
from rnnx.models import checkpoint
from rnnx.models.checkpoint import Weights
from rnnx.models.engine import contextual as engine
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Batch, Spans
from rnnx.types import Explanation, LeftOut, Phrase, Phrases
from tests.test_networks import (
    HIDDEN,
    KINDS,
    Shape,
    all_layers,
    arrays,
    attention_by_hand,
    few,
    named,
    numpy_model,
    random_batch,
    seeds,
    shapes,
    sigmoid,
    some_lengths,
)

# --- the paper's equations: a quantity is its relevant, irrelevant and bias parts ----------------------------------

Parts = dict[str, Array]
NAMES = ("relevant", "irrelevant", "bias")
Function = Callable[[Array], Array]


def linearised(f: Function, p: Parts) -> Parts:
    """Shapley's rule for f(relevant + irrelevant + bias), over the orders in which the bias comes first."""
    a, b, c = (p[name] for name in NAMES)
    first = (f(c + a) - f(c) + f(c + b + a) - f(c + b)) / 2
    second = (f(c + a + b) - f(c + a) + f(c + b) - f(c)) / 2
    return {"relevant": first, "irrelevant": second, "bias": f(c)}


def multiplied(a: Parts, b: Parts) -> Parts:
    """Term by term: with anything irrelevant is irrelevant, and bias only with bias."""
    out = {name: np.zeros(HIDDEN) for name in NAMES}
    for one, other in product(NAMES, NAMES):
        kind = next(n for n in ("irrelevant", "relevant", "bias") if n in (one, other))
        out[kind] = out[kind] + a[one] * b[other]
    return out


def settled(p: Parts, inside: bool) -> Parts:
    owner = "relevant" if inside else "irrelevant"
    return {**p, owner: p[owner] + p["bias"], "bias": np.zeros(HIDDEN)}


def plus(a: Parts, b: Parts) -> Parts:
    return {name: a[name] + b[name] for name in NAMES}


def affine(w: Array, p: Parts, bias: Array) -> Parts:
    return {"relevant": w @ p["relevant"], "irrelevant": w @ p["irrelevant"], "bias": bias}


def gate(p: Parts, number: int) -> Parts:
    size = slice(number * HIDDEN, (number + 1) * HIDDEN)
    return {name: values[size] for name, values in p.items()}


def one_step(kind: str, p: Parts, q: Parts, h: Parts, c: Parts, inside: bool) -> tuple[Parts, Parts]:
    both = plus(p, q)
    if kind == "lstm":
        i, f = (linearised(sigmoid, gate(both, n)) for n in (0, 1))
        g, o = linearised(np.tanh, gate(both, 2)), sigmoid(sum(gate(both, 3).values()))
        c = plus(settled(multiplied(i, g), inside), multiplied(f, c))
        return {name: o * part for name, part in linearised(np.tanh, c).items()}, c
    if kind == "gru":
        r, z = (linearised(sigmoid, gate(both, n)) for n in (0, 1))
        n = linearised(np.tanh, plus(gate(p, 2), multiplied(r, gate(q, 2))))
        new = {"relevant": -z["relevant"], "irrelevant": -z["irrelevant"], "bias": 1 - z["bias"]}
        return plus(settled(multiplied(new, n), inside), multiplied(z, h)), c
    return settled(linearised(np.tanh if kind == "rnn" else lambda v: np.maximum(v, 0), both), inside), c


def one_direction(kind: str, weights: Weights, name: str, x: list[Parts], biased: Array) -> list[Parts]:
    w_x, w_h, b_x, b_h = (
        weights[f"recurrent.{part}_{name}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h = c = {part: np.zeros(HIDDEN) for part in NAMES}
    states: dict[int, Parts] = {}
    order = range(len(x))
    for t in reversed(order) if name.endswith("_reverse") else order:
        h, c = one_step(kind, affine(w_x, x[t], b_x), affine(w_h, h, b_h), h, c, bool(biased[t]))
        states[t] = h
    return [states[t] for t in order]


def pooled(shape: Shape, weights: Weights, whole: Array, part: Array) -> Array:
    """The part (T, H) of the states ``whole``, pooled as these are."""
    if shape.pooling == "mean":
        return part.mean(0)
    if shape.pooling == "max":
        return part[whole.argmax(0), np.arange(whole.shape[1])]
    if "attention" in shape.pooling:
        return (np.array(attention_by_hand(shape, weights, whole)).T * part).sum(0)
    return np.concatenate([part[-1, :HIDDEN], part[0, HIDDEN:]])


def by_hand(shape: Shape, weights: Weights, x: Array, inside: Array, biased: Array) -> dict[str, Array]:
    """What each part makes of the logits; ``biased`` tokens own what the biases make of them."""
    parts = [
        {"relevant": x_t * here, "irrelevant": x_t * (not here), "bias": np.zeros(len(x_t))}
        for x_t, here in zip(x, inside, strict=True)
    ]
    for i in range(shape.layers):
        ways = [
            one_direction(shape.kind, weights, f"l{i}{end}", parts, biased)
            for end in ("", "_reverse")[: shape.directions]
        ]
        parts = [
            {name: np.concatenate([p[name] for p in of_token]) for name in NAMES}
            for of_token in zip(*ways, strict=True)
        ]
    h = {name: np.array([p[name] for p in parts]) for name in NAMES}
    whole = all_layers(shape, weights, x)[-1]["h"]
    np.testing.assert_allclose(whole, h["relevant"] + h["irrelevant"], atol=1e-9)
    return {n: weights["output.weight"] @ pooled(shape, weights, whole, h[n]) for n in NAMES[:2]}


def some_spans(batch: Batch, seed: int) -> tuple[Array, Array]:
    """Of each text: nothing, everything, its first and its last token, a random span, a random set of tokens."""
    rng, texts, masks = np.random.default_rng(seed), [], []
    places = np.arange(batch.ids.shape[1])
    for i, n in enumerate(batch.lengths):
        start, stop = sorted(rng.integers(0, n + 1, 2))
        chosen = [places < 0, places < n, places == 0, places == n - 1, (places >= start) & (places < stop)]
        chosen.append((rng.random(len(places)) < 0.5) & (places < n))
        texts += [i] * len(chosen)
        masks += chosen
    shuffled = rng.permutation(len(texts))
    return np.array(texts)[shuffled], np.array(masks)[shuffled]


@pytest.mark.parametrize("shape", shapes(), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_the_engine_and_the_equations_agree(shape: Shape, seed: int, lengths: list[int]) -> None:
    weights = arrays(shape.torch(seed))
    model, batch = numpy_model(shape, weights), random_batch(seed, lengths)
    x, (texts, spans) = model.embed(batch), some_spans(batch, seed)
    done = model.decomposition(batch)
    assert done.logits.dtype == np.float64
    for i, span, share, rest in zip(texts, spans, *done.share(texts, spans), strict=True):
        n = lengths[i]
        expected = by_hand(shape, weights, x[i, :n], span[:n], span[:n])
        np.testing.assert_allclose(share + rest, done.logits[i] - done.bias, atol=1e-9)
        np.testing.assert_allclose(share, expected["relevant"], atol=1e-9)
        np.testing.assert_allclose(rest, expected["irrelevant"], atol=1e-9)
        if span[:n].all():
            np.testing.assert_array_equal(expected["irrelevant"], 0)
            np.testing.assert_allclose(rest, 0, atol=1e-9)
        if not span.any():
            np.testing.assert_array_equal(share, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bias_at_the_last_token_of_a_span_is_the_spans(kind: str) -> None:
    """The inclusive rule. Published code also has another, start <= t < stop - 1, which gives other numbers."""
    shape = Shape(kind)
    weights = arrays(shape.torch(1))
    model, batch = numpy_model(shape, weights), random_batch(1, [6])
    span = np.array([False, True, True, True, False, False])
    (share,), _ = model.decomposition(batch).share(np.array([0]), span[None])
    without_last = span & (np.arange(6) != 3)
    x = model.embed(batch)[0]
    np.testing.assert_allclose(share, by_hand(shape, weights, x, span, span)["relevant"], atol=1e-9)
    assert abs(share - by_hand(shape, weights, x, span, without_last)["relevant"]) > 1e-3


def test_rows_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape("lstm", 2, 2, "attention", "softmax")
    model, batch = numpy_model(shape, arrays(shape.torch(2))), random_batch(2, [5, 2, 7])
    target = np.array([0, 1, 2])
    (whole, judged), spans = cd(model, batch, target), phrases(model, batch, target)
    monkeypatch.setattr(engine, "ROWS", 2)
    monkeypatch.setattr(methods, "AT_ONCE", 15)
    (again, judged_again), spans_again = cd(model, batch, target), phrases(model, batch, target)
    np.testing.assert_allclose(whole, again, atol=1e-12)
    np.testing.assert_allclose(judged["interactions"], judged_again["interactions"], atol=1e-12)
    np.testing.assert_allclose(spans.score, spans_again.score, atol=1e-12)


# --- the methods ------------------------------------------------------------------------------------------------------


def target_score(model: RecurrentClassifier, batch: Batch, target: Array) -> Array:
    """The target's logit without its bias."""
    logits = model.forward(batch) - model.network.b_out
    if logits.shape[1] == 1:
        return np.where(target == 1, 1, -1) * logits[:, 0]
    return logits[np.arange(len(logits)), target]


@pytest.mark.parametrize("shape", shapes(layers=2), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_what_adds_up(shape: Shape, seed: int, lengths: list[int]) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(seed))), random_batch(seed, lengths)
    target = np.random.default_rng(seed).integers(0, len(model.labels), len(lengths))
    whole = target_score(model, batch, target)
    scores, judged = cd(model, batch, target)
    assert isinstance(scores, np.ndarray)
    np.testing.assert_allclose(judged["residual"], 0, atol=1e-9)
    np.testing.assert_allclose(scores.sum(1) + judged["interactions"], whole, atol=1e-9)
    spans, judged = hierarchy(model, batch, target)
    assert isinstance(spans, Spans)
    np.testing.assert_allclose(judged["residual"], 0, atol=1e-9)
    for i, n in enumerate(lengths):
        own = spans.text == i
        assert own.sum() == 2 * n - 1
        np.testing.assert_allclose(spans.score[own][-1], whole[i], atol=1e-9)
        np.testing.assert_allclose(spans.score[own][:n], scores[i, :n], atol=1e-9)
        np.testing.assert_allclose(spans.score[own][:n].sum() + spans.interaction[own].sum(), whole[i], atol=1e-9)


def test_phrases_are_all_spans_up_to_a_length() -> None:
    shape = Shape("gru", pooling="max")
    model, batch, target = numpy_model(shape, arrays(shape.torch(3))), random_batch(3, [4, 1, 7]), np.array([1, 0, 1])
    found, (alone, _) = phrases(model, batch, target, longest=3), cd(model, batch, target)
    assert isinstance(alone, np.ndarray)
    places = {
        i: [(a, b) for t, a, b in zip(found.text, found.start, found.stop, strict=True) if t == i] for i in range(3)
    }
    for i, n in enumerate(batch.lengths):
        assert places[i] == [(a, a + size) for size in (1, 2, 3) for a in range(n - size + 1)]
    for i, a, b, score, more in zip(found.text, found.start, found.stop, found.score, found.interaction, strict=True):
        np.testing.assert_allclose(more, score - alone[i, a:b].sum(), atol=1e-12)
    with pytest.raises(ConfigError, match="at least 1"):
        phrases(model, batch, target, longest=0)


def merges(evidence: Phrases, tokens: int) -> Iterator[tuple[Phrase, list[Phrase]]]:
    """Each joined phrase with its parts, two but at the end. Fails if a part is not a group of its own at that time."""
    groups = list(evidence.spans[:tokens])
    for span in evidence.spans[tokens:]:
        at = next(i for i, group in enumerate(groups) if group.start == span.start)
        parts = [group for group in groups[at:] if group.stop <= span.stop]
        assert [p.start for p in parts[1:]] == [p.stop for p in parts[:-1]]
        assert (parts[-1].stop, len(parts) == 2 or span is evidence.spans[-1]) == (span.stop, True)
        groups[at : at + len(parts)] = [span]
        yield span, parts
    assert len(groups) == 1
    assert (groups[0].start, groups[0].stop) == (0, tokens)


@pytest.mark.parametrize("name", ["sentiment-lstm", "sentiment-attention"])
@pytest.mark.parametrize(
    "text", ["good", "not good", "not bad at all", "the plot is thin, the acting superb", "so " * 60]
)
def test_a_hierarchy_joins_neighbours_up_to_the_whole_text(text: str, name: str) -> None:
    model = checkpoint.load(name)
    (e,) = rnnx.explain(model, [text], view="hierarchy", target="positive")
    assert isinstance(e.evidence, Phrases)
    for span, parts in merges(e.evidence, len(e.tokens)):
        assert span.score == pytest.approx(sum(p.score for p in parts) + span.interaction, abs=1e-5)
        assert span.stop - span.start <= 40 or span is e.evidence.spans[-1]
    bias = float(model.network.b_out[0])
    assert e.evidence.spans[-1].score == pytest.approx(e.prediction.logits[0] - bias, abs=1e-5)
    assert e.diagnostics["residual"] == pytest.approx(0, abs=1e-5)
    assert Explanation.from_dict(json.loads(json.dumps(e.to_dict()))) == e


def test_a_text_is_joined_up_to_a_length_then_at_once() -> None:
    shape = Shape("lstm", pooling="mean")
    model, batch = numpy_model(shape, arrays(shape.torch(4))), random_batch(4, [9, 1, 3, 2])
    for longest in (1, 2, 3, 100):
        spans, judged = hierarchy(model, batch, np.zeros(4, int), longest=longest)
        assert isinstance(spans, Spans)
        np.testing.assert_allclose(judged["residual"], 0, atol=1e-9)
        sizes = spans.stop - spans.start
        assert ((sizes <= longest) | (sizes == batch.lengths[spans.text])).all()
        assert [(spans.text == i).sum() for i in range(4)] == ([10, 1, 4, 3] if longest == 1 else [
            (spans.text == 0).sum(), 1, 5, 3
        ])  # fmt: skip
    with pytest.raises(ConfigError, match="at least 1"):
        hierarchy(model, batch, np.zeros(4, int), longest=0)


@pytest.mark.parametrize("function", [cd, phrases, hierarchy])
def test_a_share_that_is_no_number_is_an_error(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape("lstm")
    model, batch = numpy_model(shape, arrays(shape.torch(4))), random_batch(4, [3, 2, 5, 1])
    done = model.decomposition(batch)
    broken = replace(done, share=lambda texts, spans: np.where(texts[:, None] % 2, done.share(texts, spans), np.inf))
    monkeypatch.setattr(RecurrentClassifier, "decomposition", lambda *_: broken)
    with pytest.raises(Unexplained, match="loses its digits in a text of 3 tokens") as caught:
        function(model, batch, np.array([0, 1, 0, 1]))
    assert list(caught.value.reasons) == [0, 2]
    assert "of 5 tokens" in caught.value.reasons[2]


# --- two phrases -----------------------------------------------------------------------------------------------------


def every_pair(ids: list[int], first: list[int], second: list[int]) -> list[tuple[int, int]]:
    """Where both stand without a common token, the nearest first."""
    starts = [[i for i in range(len(ids)) if ids[i : i + len(phrase)] == phrase] for phrase in (first, second)]
    free = [(a, b) for a, b in product(*starts) if not {*range(a, a + len(first))} & {*range(b, b + len(second))}]
    between = {(a, b): max(b - a - len(first), a - b - len(second)) for a, b in free}
    return sorted(free, key=lambda pair: (between[pair], min(pair), max(pair)))


@pytest.mark.parametrize("shape", shapes(layers=2), ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_the_interaction_of_two_phrases(shape: Shape, seed: int, lengths: list[int]) -> None:
    """Of words of three kinds, so that many stand several times: against all pairs, and masks written out."""
    model, rng = numpy_model(shape, arrays(shape.torch(seed))), np.random.default_rng(seed)
    known = ("good", "bad", "not")
    texts = [" ".join(rng.choice(known, n)) for n in lengths]
    first, second = (" ".join(rng.choice(known, rng.integers(1, 3))) for _ in range(2))
    batch, target = model.encode(texts), rng.integers(0, len(model.labels), len(texts))
    a, b = (model.encode([phrase]).ids[0].tolist() for phrase in (first, second))
    pairs = [every_pair(ids[:n].tolist(), a, b) for ids, n in zip(batch.ids, batch.lengths, strict=True)]
    lost = [i for i, found in enumerate(pairs) if not found]
    if lost:
        with pytest.raises(Unexplained) as caught:
            interaction(model, batch, target, first=first, second=second)
        assert list(caught.value.reasons) == lost
        texts, pairs = ([each[i] for i in range(len(lengths)) if i not in lost] for each in (texts, pairs))
        target = np.delete(target, lost)
    if not texts:
        return
    batch = model.encode(texts)
    found = interaction(model, batch, target, first=first, second=second)
    back = interaction(model, batch, target, first=second, second=first)
    np.testing.assert_array_equal(found.interaction, back.interaction)
    done = model.decomposition(batch)
    for i, ((at, other), *_) in enumerate(pairs):
        masks = np.zeros((3, batch.ids.shape[1]), bool)
        masks[[0, 2], at : at + len(a)] = masks[[1, 2], other : other + len(b)] = True
        sign = 2 * target[i] - 1 if len(done.bias) == 1 else 1
        shares = sign * done.share(np.full(3, i), masks)[0][:, 0 if len(done.bias) == 1 else target[i]]
        own = found.text == i
        places = list(zip(found.start[own], found.stop[own], strict=True))
        assert places == [(at, at + len(a)), (other, other + len(b))]
        np.testing.assert_allclose(found.score[own], shares[:2], atol=1e-9)
        np.testing.assert_allclose(found.interaction[own], shares[2] - shares[0] - shares[1], atol=1e-9)


def test_not_and_good_interact() -> None:
    """Each as it is said of the target, on a shipped model; what a hierarchy of two words joins is the same number."""
    model = checkpoint.load("sentiment-lstm")
    for text, word, sign in (("This is not good.", "good", -1), ("This is not bad.", "bad", 1)):
        given = {"view": "interaction", "first": "NOT", "second": word, "target": "positive"}
        (e,) = rnnx.explain(model, [text], **given)  # type: ignore[arg-type]
        assert isinstance(e.evidence, Phrases)
        words = [e.tokens[s.start].text for s in e.evidence.spans]
        one, other = e.evidence.spans
        assert (words, one.interaction) == (["not", word], other.interaction)
        assert sign * one.interaction > 1
        assert Explanation.from_dict(json.loads(json.dumps(e.to_dict()))) == e
    (e,) = rnnx.explain(model, ["not good"], view="interaction", first="not", second="good")
    (tree,) = rnnx.explain(model, ["not good"], view="hierarchy")
    assert e.evidence.spans[0].interaction == pytest.approx(tree.evidence.spans[-1].interaction, abs=1e-5)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("", "good", "interaction: first is missing"), ("not", " ", "interaction: second is missing"),
        ("<br />", "good", "interaction: first has no words"),
        ("not", "zyxish", "interaction: the model does not know 'zyxish'"),
    ],
)  # fmt: skip
def test_phrases_that_cannot_be_are_refused(first: str, second: str, words: str) -> None:
    model = checkpoint.load("sentiment-lstm")
    with pytest.raises(ConfigError, match=words):
        list(rnnx.explain(model, ["a zyxish film is not good"], view="interaction", first=first, second=second))


def test_texts_without_both_phrases_are_left_out_by_name() -> None:
    model, told = checkpoint.load("sentiment-lstm"), list[LeftOut]()
    texts = ["fine", "not good", "not bad", "a good film", "good", "good, good"]
    given = {"view": "interaction", "first": "not", "second": "good"}
    found = list(rnnx.explain(model, texts, **given, left_out=told.append))  # type: ignore[arg-type]
    assert [e.text for e in found] == ["not good"]
    assert [(what.text, what.reason) for what in told] == [
        (0, "the text has no 'not' and no 'good'"), (2, "the text has no 'good'"), (3, "the text has no 'not'"),
        (4, "the text has no 'not'"), (5, "the text has no 'not'"),
    ]  # fmt: skip
    with pytest.raises(DataError, match="text 0: the text has no 'good' apart from 'not good'"):
        list(rnnx.explain(model, ["this is not good"], view="interaction", first="not good", second="good"))


def test_lost_digits_are_told() -> None:
    """In long texts the two shares of a long span can grow until they no longer add up; single tokens stay exact."""
    model = checkpoint.load("sentiment-lstm")
    ids = np.random.default_rng(0).integers(2, 3000, (1, 800))
    batch, none = Batch(ids, np.array([800])), np.zeros(4, int)
    shares = methods.Shares.of(model, batch, np.array([1]))
    starts = np.array([0, 200, 600, 799])
    assert np.abs(shares(none, starts, starts + 1)).max() < 10
    with pytest.raises(Unexplained, match="loses its digits in a text of 800 tokens"):
        shares(none, none + np.arange(4) * 100, none + np.arange(4) * 100 + 400)


def test_negation_turns_a_phrase() -> None:
    """On a shipped model: good is positive and bad negative, not good is negative and not bad positive."""
    model = checkpoint.load("sentiment-lstm")
    for text, word, sign in (("not good", "good", 1), ("not bad", "bad", -1)):
        (e,) = rnnx.explain(model, [text], view="hierarchy", target="positive")
        assert isinstance(e.evidence, Phrases)
        _, alone, both = e.evidence.spans
        assert e.tokens[1].text == word
        assert sign * alone.score > 1
        assert sign * both.score < -0.3
        assert sign * both.interaction < -1


def test_a_long_sentence_takes_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    model = checkpoint.load("sentiment-attention")
    batch, asked = random_batch(0, [60]), []
    plain = methods.Shares.__call__
    monkeypatch.setattr(
        methods.Shares, "__call__", lambda self, text, *span: asked.append(len(text)) or plain(self, text, *span)
    )
    hierarchy(model, batch, np.array([1]))
    assert len(asked) < 20
    assert sum(asked) < 4 * 60


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([1.0], [0]),
        ([1, 2, 1], [1]),
        ([-3, 2, 1, -4], [0, 3]),
        ([0, 0, 0, 0, 0], [0, 2, 4]),
        ([1, 1 + 1e-9, 0], [0]),
        ([None, 1, None, None, 0.5], [1, 4]),
    ],
)
def test_pairs_that_are_joined(gains: list[float | None], expected: list[int]) -> None:
    assert _peaks(gains) == expected


# --- telescoping --------------------------------------------------------------------------------------------------


def telescoped(shape: Shape, weights: Weights, x: Array, method: str, row: int) -> Array:
    """One text, token by token, from the papers' sums; ``row`` of the output layer."""
    (seen,), scores = all_layers(shape, weights, x), np.zeros(len(x))
    for way in range(shape.directions):
        units = slice(way * HIDDEN, (way + 1) * HIDDEN)
        order, w = list(range(len(x)))[:: -1 if way else 1], weights["output.weight"][row, units]
        past, past_c, past_e = np.zeros(HIDDEN), np.zeros(HIDDEN), np.zeros(HIDDEN)
        for k, t in enumerate(order):
            later = np.ones(HIDDEN)
            for u in order[k + 1 :]:
                later = later * seen["forget" if shape.kind == "lstm" else "update"][u, units]
            h = seen["h"][t, units]
            if method == "reat":
                keeps = seen["forget" if shape.kind == "lstm" else "update"][t, units]
                scores[t] += w @ (later * (h - keeps * past))
            else:
                o, c = seen["output"][order[-1], units], seen["c"][t, units]
                now, before = (c, past_c) if method == "beta" else (later * c, past_e)
                scores[t] += w @ (o * (np.tanh(now) - np.tanh(before)))
                past_c, past_e = c, later * c
            past = h
    return scores


CASES = [(kind, "reat", reat) for kind in ("lstm", "gru")] + [
    ("lstm", variant, partial(cell, variant=variant)) for variant in ("beta", "gamma")
]


@pytest.mark.parametrize(("kind", "method", "function"), CASES, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@pytest.mark.parametrize("directions", [1, 2])
@few
@given(seed=seeds, lengths=some_lengths)
def test_telescoping_follows_the_sums_and_adds_up(
    kind: str, method: str, function: Any, output: Any, directions: int, seed: int, lengths: list[int]
) -> None:
    shape = Shape(kind, directions, output=output)
    weights = arrays(shape.torch(seed))
    model, batch = numpy_model(shape, weights), random_batch(seed, lengths)
    target = np.random.default_rng(seed).integers(0, len(model.labels), len(lengths))
    found, judged = function(model, batch, target)
    assert not found[~batch.mask].any()
    np.testing.assert_allclose(judged["residual"], 0, atol=1e-9)
    np.testing.assert_allclose(found.sum(1), target_score(model, batch, target), atol=1e-9)
    x = model.embed(batch)
    for i, n in enumerate(lengths):
        row, sign = (0, 2 * target[i] - 1) if output == "sigmoid" else (target[i], 1)
        expected = sign * telescoped(shape, weights, x[i, :n], method, row)
        np.testing.assert_allclose(found[i, :n], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "shape", "reason"),
    [
        ("cell", Shape("gru"), "cell state of an LSTM"),
        ("cell", Shape("lstm", layers=2), "single LSTM or GRU layer"),
        ("reat", Shape("rnn"), "single LSTM or GRU layer"),
        ("reat", Shape("gru", pooling="mean"), "pooling: last"),
    ],
)
def test_what_does_not_telescope_is_refused(method: str, shape: Shape, reason: str) -> None:
    model = replace(numpy_model(shape, arrays(shape.torch(0))), name="some-model")
    with pytest.raises(Unsupported, match=f"{reason}.*, which some-model does not have") as caught:
        rnnx.explain(model, ["good"], method)
    assert caught.value.hint.startswith("methods for this model: grad, grad-x-input, ")
    assert method not in caught.value.hint.split(", ")
