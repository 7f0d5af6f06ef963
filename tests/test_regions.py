"""Scores of tokens projected to parts of a text: nothing is lost, and every format shows them."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rnnx
from rnnx import attending
from rnnx.errors import Unsupported, UsageError
from rnnx.models import checkpoint
from rnnx.text.regions import BY, projected
from rnnx.text.tokenizer import words
from rnnx.types import Attribution, Explanation, Regions, Token
from tests.conftest import Run
from tests.test_networks import few

TEXT = "A charming cast.\nBut the plot is thin! I loved it."
ARTICLE = '{"title": "A charming cast", "body": "The plot is thin. I loved it."}\n'


def scored(text: str, by: str, tokens: tuple[Token, ...] = ()) -> Regions:
    """Each token's score is its place, from 1."""
    tokens = tokens or words(text)
    return projected(text, tokens, Attribution(tuple(float(i) for i in range(1, len(tokens) + 1)), signed=True), by)


def shown(text: str, by: str) -> list[tuple[str, str, float]]:
    return [(r.name, text[r.start : r.end].strip(), r.score) for r in scored(text, by).regions]


def test_sentences_and_lines() -> None:
    assert shown(TEXT, "sentence") == [
        ("1", "A charming cast.", 1 + 2 + 3 + 4),
        ("2", "But the plot is thin!", 5 + 6 + 7 + 8 + 9 + 10),
        ("3", "I loved it.", 11 + 12 + 13 + 14),
    ]
    assert shown(TEXT, "line") == [("1", "A charming cast.", 10), ("2", "But the plot is thin! I loved it.", 95)]


def test_tokens_are_regions_of_one() -> None:
    assert [r.score for r in scored(TEXT, "token").regions] == list(range(1, 15))


def test_fields() -> None:
    tokens = (Token("a", 0, 1, "title"), Token("b", 2, 3, "title"), Token("c", 4, 5, "body"))
    found = scored("a b c", "field", tokens).regions
    assert [(r.name, r.start, r.end, r.score) for r in found] == [("title", 0, 3, 3.0), ("body", 4, 5, 3.0)]


def test_a_token_gives_to_characters_in_proportion() -> None:
    """``ab cd``, regions of 4 characters: c is in the first, d in the second."""
    found = scored("ab cd", "characters:4").regions
    assert [(r.start, r.end, r.score) for r in found] == [(0, 4, 1 + 2 / 2), (4, 5, 2 / 2)]


@pytest.mark.parametrize("by", [*(by for by in BY if by != "field"), "characters:1", "characters:7"])
@few
@given(text=st.text("ab .!?\n'\u00e9\u5f71", min_size=1, max_size=60))
def test_nothing_is_lost(by: str, text: str) -> None:
    tokens = words(text)
    if not tokens:
        return
    found = scored(text, by)
    assert sum(r.score for r in found.regions) == pytest.approx(sum(found.scores))
    ends = [0, *(edge for r in found.regions for edge in (r.start, r.end))]
    assert ends == sorted(ends)


@pytest.mark.parametrize("by", ["paragraph", "characters:0", "characters:x", "sentence:3", "characters:"])
def test_what_is_no_way_to_divide_a_text(by: str, run: Run) -> None:
    with pytest.raises(UsageError):
        attending.projected([], by)
    done = run("explain", "--by", by, "fine")
    assert done.code == 2
    assert done.err.startswith(f"error: --by {by!r}")


def test_a_text_without_fields_and_a_view(run: Run) -> None:
    done = run("explain", "--by", "field", "fine")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: --by field: the text has no fields")
    model = checkpoint.load("sentiment-lstm")
    with pytest.raises(Unsupported, match="a view has no scores"):
        list(attending.projected(rnnx.explain(model, ["not bad"], view="chain"), "token"))


def test_every_method_can_be_projected_and_survives_json() -> None:
    model = checkpoint.load("sentiment-attention")
    for method in ("lrp", "attention", "occlusion"):
        (whole,) = rnnx.explain(model, [TEXT], method)
        (e,) = attending.projected([whole], "sentence")
        assert isinstance(e.evidence, Regions)
        assert sum(r.score for r in e.evidence.regions) == pytest.approx(sum(whole.evidence.scores))  # type: ignore[union-attr]
        assert Explanation.from_dict(json.loads(json.dumps(e.to_dict()))) == e


def test_fields_of_a_file_in_every_format(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "articles.jsonl"
    file.write_text(ARTICLE, "utf-8")
    asked = ("explain", str(file), "--text-field", "title", "--text-field", "body", "--method", "attention", "--by")
    out = run(*asked, "field", "--format", "plain").out.splitlines()
    assert out[1] == "field\tscore\ttext"
    assert [line.split("\t")[0] for line in out[2:4]] == ["title", "body"]
    (row,) = json.loads(run(*asked, "field", "--format", "json").out)
    assert row["evidence"]["kind"] == "regions"
    assert sum(region["score"] for region in row["evidence"]["regions"]) == pytest.approx(1, abs=1e-5)
    table = list(csv.DictReader(StringIO(run(*asked, "sentence", "--format", "csv").out)))
    assert [line["text"] for line in table] == ["A charming cast", "The plot is thin.", "I loved it."]
    assert sum(float(line["score"]) for line in table) == pytest.approx(1, abs=1e-5)


def test_units_in_every_format(run: Run) -> None:
    out = run("explain", "--by", "unit", "not bad at all").out.splitlines()
    assert out[1] == "unit\tgives\tsize\tmost from"
    assert "10 of 160 units" in out[12]
    table = list(csv.DictReader(StringIO(run("explain", "--by", "unit", "not bad at all", "--format", "csv").out)))
    assert [int(row["unit"]) for row in table] == list(range(160))
    (wide,) = csv.DictReader(StringIO(run("explain", "--by", "unit", "not bad at all", "--format", "csv-wide").out))
    best = max(table, key=lambda row: float(row["share"]))
    assert wide["for"].startswith(f"unit {best['unit']} +{float(best['share']):.4g} | ")
    together = run("explain", "--by", "unit", "not bad at all", "a dull film").out
    assert "what each unit of the attended sum gives to the target's logit, means over 2 texts:" in together


@pytest.mark.parametrize("width", [30, 80, 120])
@pytest.mark.parametrize("by", ["sentence", "unit", "characters:20"])
def test_pictures_fit_their_width(run: Run, by: str, width: int) -> None:
    for color in ("never", "always"):
        done = run("explain", "--by", by, "--format", "text", "--color", color, TEXT, width=width)
        assert done.code == 0
        if color == "never" and width > 30:
            assert all(len(line) <= width for line in done.out.splitlines())
