"""What ships: the models are small, good and documented, and the sample data is what it says it is."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from rnnx.config import load
from rnnx.explaining import predict
from rnnx.models import checkpoint
from rnnx.models.catalog import DEFAULT, SHIPPED, names

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "sample_data"
THE_SIX = {
    "not bad at all": "positive",
    "I expected to hate it but loved it": "positive",
    "the battery died after a week": "negative",
    "worst. hotel. ever.": "negative",
    "a masterpiece": "positive",
    "meh": "negative",
}


def rows(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (SAMPLES / name).read_text("utf-8").splitlines()]


def accuracy(name: str, file: str) -> float:
    data = rows(file)
    found = predict(checkpoint.load(name), [str(row["text"]) for row in data])
    return sum(p.label == row["label"] for p, row in zip(found, data, strict=True)) / len(data)


def metrics(name: str) -> dict[str, float]:
    """Accuracy by file, as the training run wrote it."""
    found = json.loads((SHIPPED / name / "metrics.json").read_text("utf-8"))
    files = {**found["dev"], **found["test"]}
    return {path.rpartition("/")[2].partition(".")[0]: values["accuracy"] for path, values in files.items()}


def test_the_two_models() -> None:
    assert names() == ["sentiment-attention", "sentiment-lstm"]
    assert DEFAULT in names()
    assert [checkpoint.load(name).network.pooling.__class__.__name__ for name in names()] == ["Attention", "Last"]


@pytest.mark.parametrize("name", names())
class TestModel:
    def test_is_small(self, name: str) -> None:
        assert sum(p.stat().st_size for p in (SHIPPED / name).iterdir()) < 6e6

    def test_has_a_card_and_the_config_that_made_it(self, name: str) -> None:
        card = (SHIPPED / name / "README.md").read_text("utf-8")
        for words in ("## Data", "## How it was trained", "## How good it is", "## Known failures"):
            assert words in card
        made = load(str(SHIPPED / name / "config.yaml"))
        assert made == load(str(ROOT / "configs" / f"{name}.yaml"))

    def test_the_card_gives_the_measured_figures(self, name: str) -> None:
        card = (SHIPPED / name / "README.md").read_text("utf-8")
        measured = metrics(name)
        assert measured.keys() == {"imdb_test", "imdb_dev", "sst2_dev", "everyday", "reviews"}
        for figure in measured.values():
            assert f"{figure:.1%}" in card

    def test_the_metrics_are_those_of_these_weights(self, name: str) -> None:
        """What can be measured here is measured again; the films are not ours to keep."""
        for file in ("everyday", "reviews"):
            assert accuracy(name, f"{file}.jsonl") == pytest.approx(metrics(name)[file], abs=1e-4)

    def test_is_good_on_films(self, name: str) -> None:
        assert metrics(name)["imdb_test"] >= 0.89
        assert metrics(name)["sst2_dev"] >= 0.83

    def test_everyday_sentences_come_out_right(self, name: str) -> None:
        assert accuracy(name, "everyday.jsonl") >= 0.85

    def test_the_six_sentences_come_out_right(self, name: str) -> None:
        found = predict(checkpoint.load(name), list(THE_SIX))
        assert {text: p.label for text, p in zip(THE_SIX, found, strict=True)} == THE_SIX


class TestSamples:
    def test_reviews(self) -> None:
        data = rows("reviews.jsonl")
        assert len(data) >= 300
        assert len({row["id"] for row in data}) == len({row["text"] for row in data}) == len(data)
        assert set(Counter(row["label"] for row in data).values()) == {len(data) / 2}
        assert {row["domain"] for row in data} == {"films", "restaurants", "devices", "hotels", "books", "apps"}
        lengths = [len(str(row["text"]).split()) for row in data]
        assert (min(lengths), max(lengths) <= 120) == (1, True)
        tags = Counter(tag for row in data for tag in row["tags"])  # type: ignore[attr-defined]  # a list
        assert all(tags[tag] >= 30 for tag in ("negation", "contrast", "mixed", "irony"))

    @pytest.mark.parametrize("name", ["reviews.jsonl", "reviews_zh.jsonl"])
    def test_reasons_are_spans_of_the_text(self, name: str) -> None:
        data = rows(name)
        for row in data:
            text = str(row["text"])
            for start, end in row["reasons"]:  # type: ignore[attr-defined]  # a list
                assert text[start:end].strip() == text[start:end] != ""
                if name == "reviews.jsonl":
                    assert not (text[start - 1 : start] + text[start]).isalnum() or start == 0
                    assert not (text[end - 1] + text[end : end + 1]).isalnum() or end == len(text)
        assert sum(bool(row["reasons"]) for row in data) >= (100 if name == "reviews.jsonl" else 15)

    def test_the_same_reviews_in_other_formats(self) -> None:
        texts = [str(row["text"]) for row in rows("reviews.jsonl")]
        with (SAMPLES / "reviews.csv").open(encoding="utf-8", newline="") as stream:
            assert [row["text"] for row in csv.DictReader(stream)] == texts
        lines = (SAMPLES / "reviews.txt").read_text("utf-8").splitlines()
        assert lines == [" ".join(text.split()) for text in texts]

    def test_chinese_reviews(self) -> None:
        data = rows("reviews_zh.jsonl")
        assert len(data) == 40
        assert Counter(row["label"] for row in data) == {"positive": 20, "negative": 20}

    def test_no_training_sentence_is_nearly_a_test_sentence(self) -> None:
        """The threshold of sample_data/README.md: under 40 % of the words in common."""
        short = [t for t in texts("reviews.jsonl") if len(t) < 120]
        held = [bag(text) for text in texts("everyday.jsonl") + short]
        assert len(texts("everyday.jsonl")) == 100
        for text in texts("everyday_train.jsonl"):
            own = bag(text)
            assert all(len(own & other) < 0.4 * len(own | other) for other in held), text


def texts(name: str) -> list[str]:
    return [str(row["text"]) for row in rows(name)]


def bag(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z']+", text.lower()))
