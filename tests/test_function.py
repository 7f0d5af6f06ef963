"""Functions of strings as models: which strings they are asked about, and what comes of their answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnnx
from rnnx.errors import ModelError, Unsupported
from rnnx.models import function
from rnnx.models.function import AT_ONCE, FunctionClassifier
from rnnx.text.tokenizer import words
from rnnx.types import Attribution
from tests.conftest import Run

LABELS = ("negative", "positive")
WORTH = {"good": 1.0, "bad": -1.0, "not": -0.5}
TEXT = 'It was  "not bad",\tgood\n'


def probability(text: str) -> float:
    """Of a good text: its words' worth, and a bonus for a negation that is whole."""
    score = sum(WORTH.get(token.text, 0) for token in words(text)) + 2 * ("not bad" in text)
    return 1 / (1 + math.exp(-score))


class Recorded:
    """Answers, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.most = 0

    def __call__(self, texts: list[str]) -> list[float]:
        self.asked += texts
        self.most = max(self.most, len(texts))
        return [probability(text) for text in texts]


def wrapped(answers: Callable[[list[str]], Any] | None = None, **given: Any) -> tuple[FunctionClassifier, Recorded]:
    recorded = Recorded()
    return rnnx.wrap(answers or recorded, LABELS, **given), recorded


def explained(model: FunctionClassifier, text: str, method: str | None = None, **given: Any) -> tuple[float, ...]:
    (found,) = rnnx.explain(model, [text], method, target="positive", **given)
    assert isinstance(found.evidence, Attribution)
    return found.evidence.scores


@given(st.text(min_size=1).filter(words))
def test_the_function_reads_the_text_as_it_is(text: str) -> None:
    model, recorded = wrapped()
    (found,) = rnnx.predict(model, [text])
    assert recorded.asked == [text]
    assert found.probabilities["positive"] == pytest.approx(probability(text), abs=1e-6)


CHANGES = st.one_of(
    st.tuples(st.text("ab ,\n\t'").filter(words), st.just("mask")),
    st.tuples(st.text("ab \n\t").filter(words), st.just("delete")),
)


@given(CHANGES)
def test_a_token_is_changed_where_it_stands(change: tuple[str, str]) -> None:
    text, removal = change
    model, recorded = wrapped(mask="<unk>")
    explained(model, text, "occlusion", removal=removal)
    tokens = words(text)
    expected = {text}
    for i, token in enumerate(tokens):
        if removal == "mask" or len(tokens) == 1:
            expected.add(text[: token.start] + "<unk>" + text[token.end :])
        elif i == 0:
            expected.add(text[: token.start] + text[tokens[1].start :])
        else:
            expected.add(text[: tokens[i - 1].end] + text[token.end :])
    assert set(recorded.asked) == expected


def test_words_that_change_places_do_not_run_together() -> None:
    model, recorded = wrapped()
    explained(model, "I do n't like,  at all", "permutation", samples=20)
    bags = {tuple(sorted(token.text for token in words(text))) for text in recorded.asked}
    assert bags == {(",", "I", "all", "at", "do", "like", "n't")}
    assert {text.count("  ") for text in recorded.asked} <= {0, 1}


def test_chinese_that_changes_places_stays_without_gaps() -> None:
    model, recorded = wrapped()
    explained(model, "不好看。", "permutation", samples=20)
    assert len(set(recorded.asked)) > 4
    assert {tuple(sorted(text)) for text in recorded.asked} == {tuple(sorted("不好看。"))}


def test_words_whose_neighbour_is_cut_out_do_not_run_together() -> None:
    model, recorded = wrapped()
    explained(model, "so good-bad", "occlusion", removal="delete")
    assert set(recorded.asked) == {"so good-bad", "good-bad", "so-bad", "so good bad", "so good-"}


def test_what_belongs_together_stays_together() -> None:
    model, recorded = wrapped()
    explained(model, "I don't like it", "occlusion")
    assert "[UNK] don't like it" in recorded.asked
    assert "I [UNK]n't like it" in recorded.asked


def test_different_texts_are_asked_about_once_and_not_too_many_together() -> None:
    model, recorded = wrapped()
    explained(model, "good " * 9 + "bad", "shapley", exact=10)
    assert len(recorded.asked) == len(set(recorded.asked)) + 1 == 2**10 + 1  # and the prediction
    assert recorded.most == AT_ONCE


def test_shapley_values_are_those_of_the_definition() -> None:
    model, _ = wrapped(mask="x")
    tokens = words(TEXT)
    n = len(tokens)

    def worth(there: Sequence[int]) -> float:
        text = TEXT
        for i in reversed(range(n)):
            text = text if i in there else text[: tokens[i].start] + "x" + text[tokens[i].end :]
        p = probability(text)
        return math.log(p / (1 - p))

    for i, score in enumerate(explained(model, TEXT, "shapley")):
        rest = [j for j in range(n) if j != i]
        expected = sum(
            (worth([*some, i]) - worth(some)) / (n * math.comb(n - 1, size))
            for size in range(n)
            for some in combinations(rest, size)
        )
        assert score == pytest.approx(expected, abs=1e-5)


def test_draws_do_not_depend_on_the_texts_before() -> None:
    given: dict[str, Any] = {"exact": 1, "samples": 3}
    alone = explained(wrapped()[0], TEXT, "shapley", **given)
    model, _ = wrapped()
    explained(model, "other words came first", "shapley", **given)
    assert explained(model, TEXT, "shapley", **given) == alone


def test_it_does_not_remember_all_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """But those that are read together, however many they are, and what stands for an unknown word."""
    monkeypatch.setattr(function, "KEPT", 50)
    model, recorded = wrapped()
    texts = [" ".join(f"word{i}x{j}" for j in range(i + 2)) for i in range(60)]
    old = model.encode(["an old text"])
    alone = explained(wrapped()[0], texts[0])
    for text in texts:
        explained(model, text)
        assert len(model.pieces) <= 62
    assert explained(model, texts[0]) == alone
    assert "[UNK] word0x1" in recorded.asked
    model.forward(model.encode(texts))
    assert set(texts) <= set(recorded.asked)
    with pytest.raises(ModelError, match="remembers no more"):
        model.forward(old)


def test_what_it_is_explained_by_unless_asked() -> None:
    model, _ = wrapped()
    (found,) = rnnx.explain(model, ["good"])
    assert found.method == "occlusion"


def test_several_classes() -> None:
    model = rnnx.wrap(lambda texts: [[0.2, 0.3, 0.5]] * len(texts), ("a", "b", "c"), name="constant")
    (found,) = rnnx.predict(model, ["x"])
    assert (found.label, found.probabilities["b"]) == ("c", pytest.approx(0.3))


def test_characters_and_tokenizers_of_ones_own() -> None:
    assert len(explained(wrapped(tokenizer="characters")[0], "not bad")) == 6
    model, recorded = wrapped(tokenizer=lambda text: words(text)[:1])
    assert len(explained(model, "not bad", removal="delete")) == 1
    assert set(recorded.asked) == {"not bad", "[UNK] bad"}


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (lambda texts: [[0.5, 0.6]] * len(texts), "no probabilities"),
        (lambda texts: [-0.1] * len(texts), "no probabilities"),
        (lambda texts: [math.nan] * len(texts), "no probabilities"),
        (lambda texts: [0.5 + 0.1j] * len(texts), "failed: TypeError"),
        (lambda texts: [[0.2, 0.3, 0.5]] * len(texts), "answers 1 text with an array of shape"),
        (lambda texts: [None] * len(texts), "answers 'good' with nan"),
        (lambda texts: [[0.5, 0.502]] * len(texts), "answers 'good' with 0.5, 0.502: no probabilities"),
        (lambda texts: "good", "failed: ValueError"),
        (lambda texts: 1 / 0, "failed: ZeroDivisionError"),
    ],
)
def test_answers_that_are_none(answers: Callable[[list[str]], Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        list(rnnx.predict(wrapped(answers)[0], ["good"]))


def test_what_a_function_cannot_serve() -> None:
    model, _ = wrapped()
    with pytest.raises(Unsupported, match="lrp needs"):
        rnnx.explain(model, ["good"], "lrp")
    with pytest.raises(Unsupported, match="reads only words"):
        list(rnnx.explain(model, ["good"], "occlusion", removal="mean"))
    with pytest.raises(ModelError, match="labels"):
        rnnx.wrap(np.mean, ("same", "same"))
    with pytest.raises(ModelError, match="unknown tokenizer 'word'"):
        rnnx.wrap(np.mean, LABELS, tokenizer="word")


SOURCE = """
def predict(texts):
    return [0.9 if "good" in text else 0.2 for text in texts]


predict.labels = ("negative", "positive")
nameless = lambda texts: texts
unlisted = lambda texts: texts
unlisted.labels = 2
def leaving(texts):
    raise SystemExit(3)
leaving.labels = predict.labels
"""


def test_on_the_command_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_model.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    shown = run("explain", "-m", "my_own_model:predict", "so good")
    assert "positive 90.0%" in shown.out
    for name, reason in [
        ("predicted", "no attribute"),
        ("nameless", "no function with labels"),
        ("unlisted", "no function with labels"),
        ("leaving", "failed: SystemExit: 3"),
    ]:
        failed = run("explain", "-m", f"my_own_model:{name}", "so good")
        assert failed.code == 2
        assert reason in failed.err
    for source, reason in [("import (", "SyntaxError"), ("1 / 0", "ZeroDivisionError"), ("exit(3)", "SystemExit: 3")]:
        (tmp_path / "no_model.py").write_text(source)
        failed = run("explain", "-m", "no_model:predict", "so good")
        assert (failed.code, f"importing no_model failed: {reason}" in failed.err) == (2, True)
    failed = run("predict", "-m", "my_own_model:predict", "--engine", "torch", "so good")
    assert (failed.code, "leave out --engine" in failed.err) == (2, True)


BREAKING = """
from pathlib import Path


def predict(texts):
    if any("late" in text for text in texts) and Path("down").exists():
        raise ConnectionError("the service is down")
    return [0.9 if "good" in text else 0.2 for text in texts]


predict.labels = ("negative", "positive")
"""


def test_a_file_of_texts_is_gone_on_with_by_the_same_function(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "breaking_model.py"
    source.write_text(BREAKING)
    (tmp_path / "in.txt").write_text("so good\nso bad\na good day\ntoo late, good man\nbad day\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    argv = "explain", "in.txt", "-m", "breaking_model:predict", "--method", "shapley", "-o"
    for name, more in (("once.jsonl", ()), ("two.jsonl", ("--workers", "2"))):
        assert run(*argv, name, *more).code == 0
    (tmp_path / "down").touch()
    failed = run(*argv, "often.jsonl")
    assert (failed.code, "the service is down" in failed.err) == (2, True)
    (tmp_path / "down").unlink()
    source.write_text(BREAKING.replace("0.9", "0.8"))
    refused = run(*argv, "often.jsonl", "--resume")
    assert (refused.code, "weights was" in refused.err) == (2, True)
    source.write_text(BREAKING)
    assert "going on behind row" in run(*argv, "often.jsonl", "--resume").err
    assert Path("once.jsonl").read_bytes() == Path("two.jsonl").read_bytes() == Path("often.jsonl").read_bytes()
