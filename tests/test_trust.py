"""The trust line: its facts by plain loops, its level, its words."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rnnx
from rnnx.errors import UnknownName
from rnnx.metrics import trust
from rnnx.metrics.limits import limits, normalised_comprehensiveness
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Batch
from rnnx.models.scores import probabilities
from rnnx.render import plain
from rnnx.render import trust as words
from rnnx.types import Attribution, Explanation
from tests.conftest import Run

TEXTS = ["the plot , really not good but the film !", "a good film", "not bad", "a", "unheard words , bad plot"]
SENTENCE = "I expected to hate it but loved it"


def explained(model: RecurrentClassifier, texts: Any = TEXTS, method: str = "grad-x-input", **given: Any) -> list[Any]:
    return list(rnnx.explain(model, texts, method, trust=given.pop("trust", "fast"), **given))


def p_of(model: RecurrentClassifier, ids: list[int], target: int) -> float:
    """The target's probability of a text of these ids; of none of them, of one unknown word."""
    batch = Batch(np.array([ids or [model.unknown]]), np.array([len(ids) or 1]))
    return float(probabilities(model.forward(batch))[0, target])


def test_the_facts_in_plain_loops(model: RecurrentClassifier) -> None:
    for e in explained(model):
        ids, facts = model.encode([e.text]).ids[0].tolist(), e.diagnostics["trust"]
        target, n = model.labels.index(e.target), len(e.tokens)
        order = sorted(range(n), key=lambda i: (-e.evidence.scores[i], i))
        fifth, half = ([ids[i] for i in range(n) if i not in order[: math.ceil(n / part)]] for part in (5, 2))
        assert facts["removed"] == math.ceil(n / 5)
        assert facts["without_strongest"] == pytest.approx(p_of(model, fifth, target), abs=1e-4)
        assert facts["without_half"] == pytest.approx(p_of(model, half, target), abs=1e-4)
        carried = 1 - (facts["without_strongest"] + facts["without_half"]) / 2 / facts["without_random"]
        assert facts["carried"] == pytest.approx(carried, abs=2e-3)
        level = "high" if facts["carried"] >= 0.65 else "medium" if facts["carried"] >= 0.3 else "low"
        assert facts["level"] == (level if n > 1 else None)
        alone = 1 - facts["without_strongest"] / facts["without_random"]
        assert facts["half_decides"] == (level != ("high" if alone >= 0.65 else "medium" if alone >= 0.3 else "low"))
        assert facts["saturated"] == (max(p_of(model, ids, target), 1 - p_of(model, ids, target)) >= 0.99)


def test_random_tokens_are_drawn_evenly_and_by_the_text_alone(model: RecurrentClassifier) -> None:
    batch = model.encode(["a good film but the plot , not good", "not bad"])
    drawn = trust._random(batch, seed=0, draws=600)
    assert (drawn[0].sum(axis=1) == 2).all()
    assert (drawn[1].sum(axis=1) == 1).all()
    assert not drawn[1, :, 2:].any()
    assert np.abs(drawn[0].mean(axis=0) - 2 / 9).max() < 0.07  # 4 standard errors
    assert (drawn[0, :4].sum(axis=0) <= 1).all()  # parts of one order, of which there are four of two tokens
    alone = model.encode(["not bad"])
    assert (trust._random(alone, 0, 600)[0] == drawn[1, :, :2]).all()
    assert (trust._random(alone, 1, 600)[0] != drawn[1, :, :2]).any()


@pytest.mark.parametrize("asked", ["fast", "full"])
def test_neither_batch_nor_order_changes_it(model: RecurrentClassifier, asked: str) -> None:
    together = explained(model, method="expected-grad", samples=4, trust=asked)
    for text, e in zip(TEXTS, together, strict=True):
        alone = explained(model, [text], method="expected-grad", samples=4, trust=asked)[0]
        for name, value in e.diagnostics["trust"].items():
            other = alone.diagnostics["trust"][name]
            assert other == (pytest.approx(value, abs=1e-3) if isinstance(value, float) else value), name


def test_the_random_sets_are_the_same_for_all_methods(model: RecurrentClassifier) -> None:
    found = [explained(model, method=m)[0].diagnostics["trust"]["without_random"] for m in ("grad", "occlusion")]
    assert found[0] == found[1]


def test_full_measures_what_fast_predicts(model: RecurrentClassifier) -> None:
    for e in explained(model, trust="full"):
        batch, target = model.encode([e.text]), np.array([model.labels.index(e.target)])
        room = limits(model, batch, target)
        faithful = normalised_comprehensiveness(model, batch, target, np.array([e.evidence.scores]), room)[0]
        facts = e.diagnostics["trust"]
        if math.isnan(faithful):
            assert facts["faithful"] is None
            assert facts["level"] is None
        else:
            assert facts["faithful"] == pytest.approx(faithful, abs=1e-3)
            assert facts["level"] == ("high" if faithful >= 0.9 else "medium" if faithful >= 0.7 else "low")
        assert "stable" not in facts


def test_full_asks_a_random_method_again(model: RecurrentClassifier) -> None:
    noisy = explained(model, method="expected-grad", samples=2, trust="full")[0].diagnostics["trust"]["stable"]
    calm = explained(model, method="expected-grad", samples=400, trust="full")[0].diagnostics["trust"]["stable"]
    assert -1 <= noisy < calm <= 1


def test_stability_is_the_mean_correlation_with_other_seeds() -> None:
    batch = Batch(np.ones((2, 3), int), np.array([3, 2]))
    scores = np.array([[1.0, 2, 3], [1, 2, 0]])
    others = [np.array([[1.0, 2, 3], [2, 1, 9]]), np.array([[3.0, 2, 1], [1, 2, 9]])]
    assert trust.stability(scores, others, batch) == [0, 0]
    assert trust.stability(scores, [scores * 2], batch) == [1, 1]


def test_what_the_scores_lack_and_how_far_chance_moves_them(model: RecurrentClassifier) -> None:
    for e in explained(model, method="expected-grad", samples=4):
        scores, facts = np.array(e.evidence.scores), e.diagnostics["trust"]
        assert facts["missing"] == pytest.approx(abs(e.diagnostics["residual"]) / np.abs(scores).sum(), abs=1e-4)
        assert facts["error"] == pytest.approx(e.diagnostics["standard_error"] / np.abs(scores).max(), abs=1e-4)
    lrp = explained(model, method="lrp")[0].diagnostics["trust"]
    assert lrp["missing"] < 1e-4
    assert "error" not in lrp
    assert "missing" not in explained(model, method="cd")[0].diagnostics["trust"]  # its tokens need not add up


def test_a_planted_order_is_told_from_its_opposite() -> None:
    model = rnnx.load("sentiment-attention")
    texts = ["a wonderful film with a superb cast", "a dull and boring story with an awful ending"]
    levels = []
    for sign in (1, -1):
        batch = model.encode(texts)
        target = probabilities(model.forward(batch)).argmax(1)
        good = {"wonderful", "superb", "dull", "boring", "awful"}
        words = [[t.text for t in model.tokenize(text)] for text in texts]
        scores = np.zeros(batch.ids.shape)
        for own, tokens in zip(scores, words, strict=True):
            own[: len(tokens)] = [sign * (token in good) for token in tokens]
        case = trust.Case(model, batch, target, model.forward(batch), scores)
        levels.append([fact["level"] for fact in trust.full(case, 0, None)])
    assert "low" not in levels[0]
    assert levels[1] == ["low", "low"]


class TestWords:
    def test_off_says_nothing(self, run: Run) -> None:
        out = run("explain", "--trust", "off", "--format", "json", SENTENCE).out
        assert "trust" not in json.loads(out)[0]["diagnostics"]
        assert "trust" not in run("explain", "--trust", "off", SENTENCE).out

    def test_one_line_in_a_pipe_and_on_the_screen(self, run: Run) -> None:
        piped = [line for line in run("explain", SENTENCE).out.splitlines() if line.startswith("trust: ")]
        assert len(piped) == 1
        assert piped[0].startswith("trust: medium; without its 2 strongest tokens positive falls from 98.7% to ")
        screen = run("explain", SENTENCE, screen=True, environ={"NO_COLOR": "1"}).out
        assert "\u25cf\u25cf\u25cb medium" in screen
        shown = re.sub("\x1b\\[[0-9;]*m", "", screen)
        assert max(map(len, shown.splitlines())) <= 80

    def test_views_have_no_order_to_trust(self, run: Run) -> None:
        assert "trust" not in run("explain", "--view", "chain", SENTENCE).out

    def test_a_single_token_is_unclear(self, run: Run) -> None:
        assert "trust: unclear; a single token has no order to judge" in run("explain", "meh").out

    def test_full_says_what_was_measured(self, run: Run) -> None:
        out = run("explain", "--trust", "full", "--method", "expected-grad", SENTENCE).out
        assert "of the way from the worst order to the best" in out
        assert "under other seeds" in out

    def test_a_config_may_choose(self, run: Run, tmp_path: Any) -> None:
        (tmp_path / "c.yaml").write_text("explain:\n  trust: 'off'\n")
        assert "trust:" not in run("explain", "-c", str(tmp_path / "c.yaml"), SENTENCE).out
        assert "trust:" in run("explain", "-c", str(tmp_path / "c.yaml"), "--trust", "fast", SENTENCE).out

    def test_nonsense_is_refused(self, run: Run) -> None:
        result = run("explain", "--trust", "ful", SENTENCE)
        assert result.code == 2
        assert result.err.startswith("error: --trust 'ful' is not one of off, fast, full\nhint: did you mean full?")
        with pytest.raises(UnknownName, match="unknown trust 'no'"):
            rnnx.explain(rnnx.load("sentiment-lstm"), ["a"], trust="no")

    def test_doubts_are_said(self) -> None:
        (e,) = rnnx.explain(rnnx.load("sentiment-lstm"), ["a zzgrbl masterpiece"], "grad", trust="fast")
        facts = {**e.diagnostics["trust"], "saturated": True, "missing": 0.2, "error": 0.3, "level": "low"}
        doubtful = replace(e, diagnostics={**e.diagnostics, "trust": facts})
        said = "; ".join(words.words(doubtful))
        assert "20.0% of what they add up to is missing" in said
        assert "30.0% of the largest, which is much" in said
        assert "so sure that small changes hardly move it" in said
        assert "1 of 3 tokens is unknown to the model" in said
        assert "so sure" not in "; ".join(words.words(replace(doubtful, method="lrp")))  # which looks at more
        assert words.level(doubtful) == "low"

    def test_what_rounding_makes_certain_is_not(self) -> None:
        found = explained(rnnx.load("sentiment-attention"), ["superb " * 12], "attention")[0]
        facts = {**found.diagnostics["trust"], "without_strongest": 1.0, "without_random": 0.0}
        said = "; ".join(words.words(replace(found, diagnostics={"trust": facts})))
        assert "positive stays at >99.9%; without 3 at random: <0.1%" in said

    def test_the_half_is_said_where_it_decides(self) -> None:
        text = "A charming cast and a clever start, but the second half is dull and the ending made me angry."
        found = explained(rnnx.load("sentiment-attention"), [text], "lime")[0]
        for half in (False, True):
            facts = {**found.diagnostics["trust"], "half_decides": half, "without_half": 0.123}
            said = "; ".join(words.words(replace(found, diagnostics={"trust": facts})))
            assert ("without the stronger half: 12.3%" in said) == half
            measured = {"trust": {**facts, "faithful": 0.8}}
            assert "half: " not in "; ".join(words.words(replace(found, diagnostics=measured)))

    def test_a_label_cannot_steer_the_terminal(self) -> None:
        (e,) = rnnx.explain(rnnx.load("sentiment-lstm"), ["good film"], trust="fast")
        evil = "\x1b[31mX"
        probabilities = {evil: 0.9, "negative": 0.1}
        changed = replace(e, target=evil, prediction=replace(e.prediction, label=evil, probabilities=probabilities))
        assert "\x1b" not in "\n".join(plain.lines(changed))

    def test_it_survives_the_round_trip(self) -> None:
        (e,) = rnnx.explain(rnnx.load("sentiment-lstm"), ["good film"], trust="fast")
        assert Explanation.from_dict(json.loads(json.dumps(e.to_dict()))) == e
        assert isinstance(e.evidence, Attribution)

    def test_csv_has_the_level(self, run: Run) -> None:
        head, first, *_ = run("explain", "-f", "csv", SENTENCE).out.splitlines()
        assert dict(zip(head.split(","), first.split(","), strict=True))["trust"] == "medium"
        assert "trust" not in run("explain", "-f", "csv", "--trust", "off", SENTENCE).out.splitlines()[0]
