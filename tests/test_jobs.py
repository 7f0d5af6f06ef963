"""A file of texts as a job: the same bytes whatever happens on the way."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

import rnnx
from rnnx import pool, streaming
from rnnx.data.readers import Row
from rnnx.errors import RnnxError
from rnnx.jobs import Explaining, Plan, windows
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.render import markdown, tally, writers
from rnnx.render.formats import to_json
from rnnx.render.lines import line, source
from rnnx.render.tally import Tally
from rnnx.render.writers import Record, Style
from rnnx.types import Explanation
from tests.conftest import MODELS, WORDS, Run, random_model

ROWS = 1_500
FORMATS = {
    "jsonl": ".jsonl", "json": ".json", "csv": ".csv", "tsv": ".tsv", "plain": ".txt", "markdown": ".md",
    "parquet": ".parquet", "html": ".html", "zipped": ".jsonl.gz",
}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(random_model(tmp_path_factory.mktemp("model"), MODELS["attention"]))


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows with an id and stars; some are bad, some are there several times."""
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("data") / "reviews.jsonl"
    with path.open("w") as stream:
        for i in range(ROWS):
            text = " ".join(rng.choices(WORDS, k=rng.randint(1, 30)))
            row = {"id": f"r{i}", "stars": i % 5, "text": text if i % 50 else " "}
            stream.write(json.dumps(row) + "\n" if i % 77 else "{broken\n")
    return path


class TestFormats:
    @pytest.mark.parametrize("suffix", FORMATS.values(), ids=FORMATS)
    def test_several_processes_write_the_same_bytes(
        self, run: Run, small: str, reviews: Path, suffix: str, tmp_path: Path
    ) -> None:
        outputs = [tmp_path / f"{workers}{suffix}" for workers in (1, 2)]
        for workers, output in enumerate(outputs, 1):
            argv = str(reviews), "-m", small, "-o", str(output), "--keep", "stars", "--workers", str(workers)
            assert run("explain", *argv).code == 0
        assert outputs[0].read_bytes() == outputs[1].read_bytes()
        assert len(outputs[0].read_bytes()) > 10_000

    def test_the_bytes_do_not_depend_on_the_threads_that_are_allowed(
        self, small: str, reviews: Path, tmp_path: Path
    ) -> None:
        outputs = [tmp_path / f"{threads}.jsonl" for threads in (1, 2)]
        for threads, output in enumerate(outputs, 1):
            argv = [sys.executable, "-m", "rnnx", "explain", str(reviews), "-m", small, "-o", str(output)]
            subprocess.run(argv, env={**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}, check=True)
        assert outputs[0].read_bytes() == outputs[1].read_bytes() != b""

    @pytest.mark.parametrize("suffix", [*FORMATS.values(), ".wide"])
    def test_saved_explanations_give_the_same_bytes_without_the_model(
        self, run: Run, small: str, reviews: Path, suffix: str, tmp_path: Path
    ) -> None:
        model = random_model(tmp_path / "model", MODELS["attention"])
        saved, first, again = (tmp_path / name for name in ("saved.jsonl.gz", f"1{suffix}", f"2{suffix}"))
        argv = str(reviews), "-m", str(model), "--keep", "stars"
        other = ["--format", "csv-wide"] if suffix == ".wide" else []
        assert run("explain", *argv, "-o", str(saved)).code == 0
        assert run("explain", *argv, "-o", str(first), *other).code == 0
        for file in model.iterdir():
            file.unlink()
        assert run("explain", "--from", str(saved), "-o", str(again), *other).code == 0
        if suffix in (".txt", ".md"):  # the rows that were left out then are not there now
            assert (
                again.read_text().splitlines()[:-5]
                == first.read_text().splitlines()[: len(again.read_text().splitlines()) - 5]
            )
        elif suffix == ".html":
            assert again.read_bytes().partition(b"</main>")[0] == first.read_bytes().partition(b"</main>")[0]
        elif suffix == ".jsonl.gz":
            assert gzip.decompress(again.read_bytes()) == gzip.decompress(first.read_bytes())
        elif suffix == ".parquet":
            from pyarrow import parquet

            assert parquet.read_table(again).equals(parquet.read_table(first))
        else:
            assert again.read_bytes() == first.read_bytes()

    def test_only_so_many_texts_are_the_first(self, run: Run, small: str, reviews: Path) -> None:
        given = "explain", str(reviews), "-m", small, "-f", "csv-wide"
        every, some = (
            [line.split(",")[:2] for line in run(*given, *most).out.splitlines()] for most in ((), ("--limit", "40"))
        )
        assert 36 <= len(some) <= 41  # those without words are of the 40
        assert some == every[: len(some)]

    @pytest.mark.parametrize("view", [None, "phrases", "chain"])
    def test_a_line_is_the_explanation_as_a_dictionary(self, model: RecurrentClassifier, view: str | None) -> None:
        texts = ["a good film \u202e\x85", 'not "bad"\\', "电影 \u2028 unheard", "a good film"]
        for i, e in enumerate(rnnx.explain(model, texts, view=view)):
            row = Row(e.text, None, f"a\x1b.csv:{i}", None, i, {"stars": [1.5, None], "\x7f": "\u2066"})
            record = Record(i, row, e)
            assert line(record) == to_json({**e.to_dict(), "source": source(record)})
            assert Explanation.from_dict(json.loads(line(record))) == e

    def test_fields_are_in_a_line_too(self, model: RecurrentClassifier) -> None:
        (e,) = rnnx.explain(model, [{"title": "good", "body": "not bad"}], fields=["title", "body"])
        record = Record(0, Row(e.text, None, "x:1"), e)
        assert line(record) == to_json({**e.to_dict(), "source": {"row": 0, "where": "x:1"}})

    def test_ids_and_columns_are_carried_along(self, run: Run, small: str, reviews: Path) -> None:
        argv = "explain", str(reviews), "-m", small, "--keep", "stars,text"
        found = json.loads(run(*argv, "-f", "json").out)
        assert [(e["source"]["id"], e["source"]["columns"]) for e in found[:2]] == [
            ("r1", {"stars": 1, "text": found[0]["text"]}), ("r2", {"stars": 2, "text": found[1]["text"]})
        ]  # fmt: skip
        assert [e["source"]["row"] for e in found[:2]] == [1, 2]
        assert found[0]["source"]["where"] == f"{reviews}:2"
        for kind in ("csv", "csv-wide"):
            rows = list(csv.DictReader(io.StringIO(run(*argv, "-f", kind).out)))
            assert {(row["id"], row["stars"], row["row"]) for row in rows} == {
                (e["source"]["id"], str(e["source"]["columns"]["stars"]), str(e["source"]["row"])) for e in found
            }
            assert all(row["given_text"] for row in rows)
        first = rows[0]
        scores = dict(zip([t["text"] for t in found[0]["tokens"]], found[0]["evidence"]["scores"], strict=True))
        name, score = first["for"].split(" | ")[0].rsplit(" ", 1)
        assert max(scores.values()) == pytest.approx(float(score), rel=1e-3)
        assert scores[name] == max(scores.values())

    def test_a_view_in_a_row_a_text_has_the_largest_of_each_quantity(self, run: Run, small: str) -> None:
        (e,) = json.loads(run("explain", "-m", small, "good film , not bad", "--view", "chain", "-f", "json").out)
        given = run("explain", "-m", small, "good film , not bad", "--view", "chain", "-f", "csv-wide").out
        (row,) = csv.DictReader(io.StringIO(given))
        for name, values in e["evidence"]["columns"].items():
            i = max(range(len(values)), key=lambda i: abs(values[i]))
            assert row[name].split(" | ")[0] == f"{e['tokens'][i]['text']} {values[i]:.4g}"

    def test_parquet_has_a_row_a_text(self, run: Run, small: str, reviews: Path, tmp_path: Path) -> None:
        from pyarrow import parquet

        argv = "explain", str(reviews), "-m", small, "--keep", "stars"
        assert run(*argv, "-o", str(tmp_path / "x.parquet")).code == 0
        found = parquet.read_table(tmp_path / "x.parquet").to_pylist()
        saved = [json.loads(text) for text in run(*argv, "-f", "jsonl").out.splitlines()]
        assert len(found) == len(saved)
        for row, e in zip(found, saved, strict=True):
            assert [t["text"] for t in row["tokens"]] == [t["text"] for t in e["tokens"]]
            assert row["scores"] == pytest.approx(e["evidence"]["scores"], rel=1e-6)
            assert (row["id"], row["stars"]) == (e["source"]["id"], str(e["source"]["columns"]["stars"]))
        result = run(*argv, "-f", "parquet")
        assert (result.code, result.out) == (2, "")

    def test_markdown_means_nothing_but_the_text(self, run: Run, small: str) -> None:
        hostile = "<script>alert(1)</script> *a* [good](http://x) `film` | # 1. _not_ **bad** ~~the~~ ![x](y) &lt;"
        out = run("explain", "-m", small, "-f", "markdown", hostile).out
        for sign in ("<script", "[good]", "`film`", " _not_", "![x]", " | "):
            assert sign not in out
        assert "&amp;lt;" in out
        assert markdown.escaped("1. not a list\n - x\n+ y - z") == "1\\. not a list\n \\- x\n\\+ y - z"

    @pytest.mark.parametrize("kind", [kind for kind in writers.FORMATS if kind not in ("parquet", "html")])
    def test_a_file_without_a_good_row_is_whole(self, run: Run, small: str, kind: str, tmp_path: Path) -> None:
        source = tmp_path / "in.jsonl"
        source.write_text('{"text": "<br />"}\n')
        result = run("explain", str(source), "-m", small, "-f", kind)
        assert result.code == 0
        assert result.out == ("[]\n" if kind == "json" else "")


class TestSummary:
    def test_it_counts_what_the_lines_say(self, run: Run, small: str, reviews: Path) -> None:
        argv = "explain", str(reviews), "-m", small
        saved = [json.loads(text) for text in run(*argv, "-f", "jsonl").out.splitlines()]
        labels = Counter(e["prediction"]["label"] for e in saved)
        out = run(*argv, screen=True).out.replace("\x1b[0m", "")
        assert f"{len(saved):,} texts" in out
        end = run(*argv, "-f", "plain").out.split("\n\n")[-1].splitlines()
        assert end[0] == f"{len(saved):,} texts"
        for label, count in labels.items():
            sure = sum(e["prediction"]["probability"] for e in saved if e["prediction"]["label"] == label) / count
            (shown,) = (text for text in end if text.startswith(label))
            assert shown.split()[1] == f"{count:,}"
            assert shown.endswith(f"mean confidence {sure:.1%}")
        assert end[-1] == "left out: the field 'text' has no text in it (29), not JSON (20)"  # row 0 is broken, too

    def test_it_counts_the_strongest_tokens_of_the_label_that_was_explained(self) -> None:
        found = Tally()
        model = Explanation.from_dict
        for scores, target in (([0.1, 3, 2, 1, -5], "yes"), ([0, 1, 0, 0, 0], "yes"), ([1, 0, 0, 0, 9], "no")):
            words = ["a", "Good", "film", "not", "bad"]
            at = [sum(len(w) + 1 for w in words[:i]) for i in range(5)]
            tokens = [{"text": w, "start": s, "end": s + len(w)} for w, s in zip(words, at, strict=True)]
            p = {"label": "no", "probability": 0.75, "probabilities": {"no": 0.75, "yes": 0.25}, "logits": [0.0]}
            said = {"schema": 1, "model": "m", "method": "lrp", "settings": {}, "seed": 0, "prediction": p}
            evidence = {"kind": "attribution", "scores": scores, "signed": True}
            trust = {"trust": {"level": "low" if target == "no" else "high"}}
            rest = {"text": " ".join(words), "tokens": tokens, "target": target, "diagnostics": trust}
            found.add(model({**said, **rest, "evidence": evidence}), f"x.csv:{len(found.trust)}")
        assert found.tokens == {"yes": {"good": 2, "film": 1, "not": 1}, "no": {"bad": 1, "a": 1}}
        assert found.labels == {"no": (3, 2.25)}
        assert "trust: high 2, low 1" in list(tally.lines(found))
        assert "low trust: x.csv:1" in list(tally.lines(found))
        again = Tally.of(json.loads(json.dumps(vars(found))))
        assert again == found
        again.merge(found)
        assert again.texts == 6
        assert again.tokens["yes"]["good"] == 4

    def test_rare_tokens_are_forgotten_before_memory_grows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tally, "MOST", 10)
        monkeypatch.setattr(tally, "KEPT", 5)
        found = Tally()
        for i in range(50):
            found.merge(Tally(tokens={"yes": Counter({f"rare{i}": 1, "often": 1})}))
        assert len(found.tokens["yes"]) <= 10
        assert found.tokens["yes"]["often"] == 50

    def test_texts_as_arguments_have_none(self, run: Run, small: str) -> None:
        assert " texts" not in run("explain", "-m", small, "good", "bad film").out
        assert "{" not in run("explain", "-m", small, "good film").out[:1]

    def test_a_pipe_gets_json_lines_of_a_file(self, run: Run, small: str, reviews: Path) -> None:
        assert json.loads(run("explain", "-m", small, str(reviews)).out.splitlines()[0])["schema"] == 1


class TestWindows:
    def test_they_depend_on_nothing_but_the_number_of_the_row(self) -> None:
        rows = [Row(f"text {i}", None, f"x:{i}") for i in range(3000)]
        found = list(windows(rows))
        assert [row for window in found for row in window.entries] == rows
        assert [len(window.entries) for window in found[:11]] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512]
        other = list(windows([*rows[:1000], rows[1000]._replace(text="another"), *rows[1001:]]))
        assert [a.digest == b.digest for a, b in zip(found, other, strict=True)] == [True] * 9 + [False] * 5

    def test_of_slow_methods_few_texts_are_lost(self, small: str) -> None:
        rows = [Row(f"text {i}", None, f"x:{i}") for i in range(60)]
        assert [len(window.entries) for window in windows(rows, 16)] == [1, 2, 4, 8, 16, 16, 13]
        jobs = [
            Explaining(Plan(small, {"method": method}, Style("jsonl"))) for method in ("lrp", "occlusion", "shapley")
        ]
        assert [job.most for job in jobs] == [None, 128, 16]
        written = [len(chunk.rows.splitlines()) for chunk in map(jobs[2], windows(rows, jobs[2].most))]
        assert written == [1, 2, 4, 8, 16, 16, 13]

    def test_a_text_that_is_there_again_is_computed_once(self, model: RecurrentClassifier) -> None:
        texts = [(text, model.tokenize(text)) for text in ("a good film", "bad", "a good film", "not bad", "bad")]
        seen: list[int] = []

        def compute(model: Any, batch: Any, logits: Any) -> list[str]:
            seen.extend(batch.lengths.tolist())
            return [" ".join(token.text for token in tokens) for tokens in batch.tokens]

        assert streaming.window(model, texts, compute) == [text for text, _ in texts]
        assert sorted(seen) == [1, 2, 3]


def _square(start: int) -> Callable[[int], int]:
    def work(task: int) -> int:
        time.sleep(0.002 * (task % 7))
        if task == start:
            os.kill(os.getpid(), signal.SIGKILL)
        if task == -start:
            raise RnnxError("no", "really not")
        return task * task

    return work


class Start:
    """Makes work that dies at one task, and raises at another."""

    def __init__(self, end: int) -> None:
        self.end = end

    def __call__(self) -> Callable[[int], int]:
        return _square(self.end)


class TestPool:
    def test_results_are_in_order_and_few_are_begun_ahead(self) -> None:
        taken = 0

        def tasks() -> Any:
            nonlocal taken
            while taken < 100:
                taken += 1
                yield taken

        given = 0
        for given, result in enumerate(pool.ordered(Start(1000), tasks(), 3), 1):
            assert result == given * given
            assert taken - given <= 3 * pool.AHEAD
        assert given == 100

    def test_no_tasks_no_results(self) -> None:
        assert list(pool.ordered(Start(1), iter(()), 2)) == []

    def test_a_process_that_dies_is_told(self) -> None:
        with pytest.raises(RnnxError, match=r"a worker process died \(signal 9\)"):
            list(pool.ordered(Start(20), iter(range(100)), 2))

    def test_an_error_comes_through_with_its_hint(self) -> None:
        with pytest.raises(RnnxError, match=r"^no$") as caught:
            list(pool.ordered(Start(20), iter(range(-30, 0)), 2))
        assert caught.value.hint == "really not"

    def test_who_leaves_early_leaves_no_process_behind(self) -> None:
        results = pool.ordered(Start(1000), iter(range(1000)), 2)
        next(results)
        assert len(active_children()) == 2
        results.close()
        assert active_children() == []

    def test_the_threads_of_this_process_stay_as_they_were(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
        monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
        list(pool.ordered(Start(1000), iter(range(3)), 1))
        assert os.environ["OMP_NUM_THREADS"] == "7"
        assert "MKL_NUM_THREADS" not in os.environ
