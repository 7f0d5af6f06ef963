"""Rows that cannot be used: named by file and line, counted, written down; the others are explained."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rnnx import jobs
from tests.conftest import MODELS, Run, random_model

LONG = "good " * 100_000
BAD: dict[str, tuple[bytes, dict[int, str]]] = {
    "in.jsonl": (
        b'{"text": "a good film"}\n{"text": \n{"other": 1}\n{"text": ""}\n{"text": "caf\xe9"}\n{"text": "a\\u0000b "}\n'
        b'{"text": "good \\u001b[31m film"}\n{"text": "<br />"}\n[1]\n{"text": 5}\n{"text": "'
        + LONG.encode()
        + b'"}\n{"text": "\\ud800"}\n{"text": "not bad\\r\\n\\tat all\\u0085"}\n\x00\x01\x02\n'
        + b"[" * 100_000
        + b'\n{"text": "bad"}\n',
        {
            2: "not JSON", 3: "no field 'text'", 4: "no text in it", 5: "not UTF-8", 6: "control characters",
            7: "control characters", 8: "no words", 9: "not an object", 10: "no text in it",
            11: "more than 20,000 tokens", 12: "not UTF-8", 14: "not JSON", 15: "nested too deeply",
        },
    ),
    "in.csv": (
        b'text,stars\na good film,1\none\na,b,c\n,4\ncaf\xe9,4\na\x00b,5\n"good \x1b film",3\n"open,1\nnot bad,2\n'
        + LONG.encode()
        + b",1\nbad,2\n",
        {
            3: "1 columns, not 2", 4: "3 columns, not 2", 5: "no text in it", 6: "not UTF-8", 7: "control characters",
            8: "control characters", 9: "a quote is opened and not closed", 11: "more than 20,000 tokens",
        },
    ),
    "in.txt": (
        b"a good film\ncaf\xe9\na\x00b\nnot bad\n<br />\n\n" + LONG.encode() + b"\nbad",
        {2: "not UTF-8", 3: "control characters", 5: "no words", 7: "more than 20,000 tokens"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(random_model(tmp_path_factory.mktemp("model"), MODELS["attention"]))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("name", BAD)
def test_they_are_written_down_and_do_not_stop_the_rest(
    run: Run, small: str, name: str, workers: str, tmp_path: Path
) -> None:
    content, expected = BAD[name]
    source, errors = tmp_path / name, tmp_path / "errors.jsonl"
    source.write_bytes(content)
    result = run("explain", str(source), "-m", small, "-f", "jsonl", "--errors", str(errors), "--workers", workers)
    assert result.code == 0
    texts = [json.loads(line)["text"] for line in result.out.splitlines()]
    assert [text.split()[0] for text in texts] == ["a", "not", "bad"]
    found = lines(errors)
    assert [(e["file"], e["line"]) for e in found] == [(str(source), line) for line in expected]
    for e, words in zip(found, expected.values(), strict=True):
        assert words in e["reason"]
        assert set(e) == {"file", "line", "reason", "detail", "hint"}
    assert f"warning: {source}:{next(iter(expected))}: " in result.err
    last = result.err.splitlines()[-1]
    assert last.startswith(f"warning: {len(expected)} rows left out in all: ")
    assert last.endswith(f"; see {errors}")
    assert "Traceback" not in result.err


@pytest.mark.parametrize("name", BAD)
def test_strict_makes_the_first_one_an_error(run: Run, small: str, name: str, tmp_path: Path) -> None:
    content, expected = BAD[name]
    source, target = tmp_path / name, tmp_path / "out.jsonl"
    source.write_bytes(content)
    result = run("explain", str(source), "-m", small, "-o", str(target), "--strict")
    assert result.code == 2
    line, words = next(iter(expected.items()))
    assert f"\nerror: {source}:{line}: {words}" in f"\n{result.err}".replace("the field 'text' has ", "")
    assert not target.exists()
    (tmp_path / "first.txt").write_bytes(content.splitlines()[-1].replace(b"bad", b"\xff") + b"\ngood\n")
    assert (
        run("explain", str(tmp_path / "first.txt"), "-m", small, "-o", str(tmp_path / "no.csv"), "--strict").code == 2
    )
    assert not list(tmp_path.glob("no.csv*"))


def test_without_bad_rows_strict_changes_nothing(run: Run, small: str, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("good\nbad\n")
    assert run("explain", str(tmp_path / "in.txt"), "-m", small, "--strict").code == 0


def test_a_long_text_is_explained_up_to_the_limit(run: Run, small: str, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("good " * jobs.LONGEST + "\n")
    (line,) = run("explain", str(tmp_path / "in.txt"), "-m", small, "-f", "jsonl").out.splitlines()
    assert len(json.loads(line)["tokens"]) == jobs.LONGEST


def test_a_parquet_row_is_named_by_its_number(run: Run, small: str, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    source, errors = tmp_path / "in.parquet", tmp_path / "errors.jsonl"
    parquet.write_table(pyarrow.table({"review": ["good", None, "bad"], "n": [1, 2, 3]}), source)
    result = run("explain", str(source), "-m", small, "-f", "jsonl", "--errors", str(errors), "--id-field", "n")
    assert [json.loads(line)["source"]["id"] for line in result.out.splitlines()] == [1, 3]
    (error,) = lines(errors)
    assert (error["file"], error["row"]) == (str(source), 2)


def test_the_file_of_errors_is_not_lost_either(run: Run, small: str, tmp_path: Path) -> None:
    errors = tmp_path / "errors.jsonl"
    errors.write_text("precious")
    result = run("explain", "good", "-m", small, "--errors", str(errors))
    assert (result.code, errors.read_text()) == (2, "precious")
    assert run("explain", "good", "-m", small, "--errors", str(errors), "--force").code == 0
    assert errors.read_text() == ""


def test_thousands_of_bad_rows_and_no_good_one_end_soon(run: Run, small: str, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"body": 1}\n' * 200_000)
    result = run("explain", str(source), "-m", small, "--text-field", "text")
    assert result.code == 2
    assert "none of the first 10,000 rows can be used" in result.err
    assert f"{source}:1: no field 'text'" in result.err


class TestInputs:
    def test_guesses_are_said(self, run: Run, small: str, tmp_path: Path) -> None:
        for name, content in (
            ("a.csv", "stars,Review,review_id\n5,good film,x1\n"),
            ("b.tsv", "stars\tcontent\tID\n5\tgood film\tx1\n"),
            ("c.jsonl", '{"stars": 5, "sentence": "good film", "_id": "x1"}\n'),
            ("d.csv", "anything\ngood film\n"),
        ):
            (tmp_path / name).write_text(content)
            result = run("explain", str(tmp_path / name), "-m", small, "-f", "jsonl")
            found = json.loads(result.out)
            assert found["text"] == "good film"
            assert found["source"].get("id", "x1") == "x1"
            assert ("id" in found["source"]) is (name != "d.csv")
            assert f"{tmp_path / name}: the text is read from" in result.err

    def test_a_column_that_is_not_there(self, run: Run, small: str, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("text,stars\ngood,1\n")
        for more in (("--keep", "star"), ("--id-field", "star")):
            result = run("explain", str(tmp_path / "a.csv"), "-m", small, *more)
            assert result.code == 2
            assert "no column 'star'" in result.err
            assert "did you mean stars" in result.err

    def test_folders_and_patterns(self, run: Run, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "deep").mkdir()
        for name in ("b.txt", "a.txt", "deep/c.txt", "notes.doc", ".hidden.txt"):
            (tmp_path / "in" / name).write_text(f"good film {name}\n")
        monkeypatch.chdir(tmp_path)
        for argument, expected in (
            ("in", ["in/a.txt", "in/b.txt", "in/deep/c.txt"]),
            ("in/*.txt", ["in/a.txt", "in/b.txt"]),
            ("in/**/c.t?t", ["in/deep/c.txt"]),
            (str(tmp_path / "in" / "[ab].txt"), [str(tmp_path / "in" / f"{x}.txt") for x in "ab"]),
        ):
            out = run("explain", argument, "-m", small, "-f", "jsonl").out
            assert [json.loads(line)["source"]["where"] for line in out.splitlines()] == [f"{f}:1" for f in expected]
        for text in ("what a film?", "**good** film [sic]", "good?"):
            assert json.loads(run("explain", text, "-m", small, "-f", "jsonl").out)["text"] == text

    @pytest.mark.parametrize(
        ("kind", "content"),
        [
            ("csv", "n,text\n1,good film\n"), ("tsv", "n\ttext\n1\tgood film\n"), ("txt", "good film\n"),
            ("jsonl", '{"n": "1", "text": "good film"}\n'), ("json", '[{"n": "1", "text": "good film"}]'),
        ],
    )  # fmt: skip
    def test_standard_input_in_any_format(self, run: Run, small: str, kind: str, content: str) -> None:
        more = () if kind == "txt" else ("--keep", "n")
        result = run("explain", "-m", small, "--input-format", kind, "-f", "jsonl", *more, stdin=content)
        found = json.loads(result.out)
        assert found["text"] == "good film"
        assert found["source"].get("columns", {"n": "1"}) == {"n": "1"}

    def test_what_would_be_read_and_written_is_refused(self, run: Run, small: str, tmp_path: Path) -> None:
        source = tmp_path / "a.csv"
        source.write_text("text\ngood\n")
        result = run("explain", str(source), "-m", small, "-o", str(source), "--force")
        assert (result.code, source.read_text()) == (2, "text\ngood\n")

    def test_saved_explanations_that_are_none(self, run: Run, small: str, tmp_path: Path) -> None:
        saved = tmp_path / "saved.jsonl"
        good = json.loads(run("explain", "a good film", "-m", small, "-f", "jsonl").out)
        broken: list[Any] = [
            {}, [1], {**good, "schema": 99}, {**good, "evidence": {**good["evidence"], "scores": [1.0]}},
            {**good, "text": "another"}, {**good, "prediction": {**good["prediction"], "probability": "high"}},
            {**good, "model": 3}, {**good, "source": [1]}, {**good, "tokens": 5},
            {**good, "source": {"columns": [1]}}, 5,
        ]  # fmt: skip
        saved.write_text("".join(json.dumps(item) + "\n" for item in [good, *broken, good]) + "nonsense\n")
        for kind in ("jsonl", "csv", "plain", "markdown", "json", "csv-wide", "text"):
            result = run("explain", "--from", str(saved), "-f", kind)
            assert result.code == 0
            assert f"{len(broken) + 1} rows left out in all" in result.err
            assert f"warning: {saved}:2: not a saved explanation; " in result.err
        for argv in (("good",), ("--method", "grad"), ("--set", "of=prob"), ("-m", small), ("--engine", "torch")):
            assert run("explain", "--from", str(saved), *argv).code == 2
        saved.write_text("".join(json.dumps(item) + "\n" for item in broken))
        none = run("explain", "--from", str(saved))
        assert (none.code, none.out) == (2, "")
        assert f"{saved}:1: not a saved explanation; schema None is not 1" in none.err
        assert "error: no saved explanation in what was given" in none.err

    @pytest.mark.parametrize("kind", ["jsonl", "csv-wide", "plain", "html"])
    def test_saved_explanations_that_cannot_be_shown(self, run: Run, small: str, kind: str, tmp_path: Path) -> None:
        """Edited by hand where no check looks: the others are shown as they would be alone."""
        saved, alone = tmp_path / "saved.jsonl", tmp_path / "alone.jsonl"
        good = json.loads(run("explain", "a good film", "-m", small, "-f", "jsonl").out)
        odd = {
            **good,
            "diagnostics": {**good["diagnostics"], "trust": {"level": [float("inf")]}},
            "settings": {"a": float("inf")},
        }
        for path, items in ((saved, [good, odd, good]), (alone, [good, good])):
            path.write_text("".join(json.dumps(item) + "\n" for item in items))
        result, expected = (run("explain", "--from", str(path), "-f", kind) for path in (saved, alone))
        assert result.code == 0, result.err
        if kind != "csv-wide":  # which shows neither
            assert f"warning: {saved}:2: not a saved explanation; " in result.err
        if kind == "jsonl":
            assert result.out == expected.out

    @pytest.mark.parametrize("kind", ["csv", "csv-wide", "parquet"])
    def test_saved_explanations_of_several_kinds_do_not_share_a_table(
        self, run: Run, small: str, kind: str, tmp_path: Path
    ) -> None:
        saved, target = tmp_path / "saved.jsonl", tmp_path / "table"
        kinds = ((), ("--view", "phrases"), ("--view", "chain"), ("--by", "sentence"), ("--trust", "off"), ())
        saved.write_text("".join(run("explain", "good film", "-m", small, "-f", "jsonl", *more).out for more in kinds))
        result = run("explain", "--from", str(saved), "-f", kind, "-o", str(target))
        assert result.code == 0, result.err
        assert f"{saved}:2: other columns than the first explanation has" in result.err
        if kind == "parquet":
            return
        rows = list(csv.reader(target.read_text().splitlines()))
        assert {len(row) for row in rows} == {len(rows[0])}
        assert rows[-1][0] == "0"  # the number in the file that it was explained from
        assert len(rows) - 1 == {"csv": 2 * 2, "csv-wide": 3}[kind]
        whole = run("explain", "--from", str(saved), "-f", "jsonl")
        assert (len(whole.out.splitlines()), whole.err) == (6, "")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads what Linux says of a process")
def test_memory_does_not_grow_with_the_file(small: str, tmp_path: Path) -> None:
    code = (
        "import sys; from rnnx.cli import main; assert main(sys.argv[1:]) == 0;"
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    used = []
    for count in (4_000, 24_000):
        source = tmp_path / f"{count}.txt"
        source.write_text("".join(f"a good film, not bad at all {i} {i * i}\n" for i in range(count)))
        argv = [sys.executable, "-c", code, "explain", str(source), "-m", small, "-o", str(tmp_path / f"{count}.jsonl")]
        used.append(int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout))
    assert used[1] - used[0] < 16 * 1024  # KB; 20,000 explanations as JSON are 40 MB


def test_errors_do_not_write_over_what_stands_in_the_file_that_standard_error_is(tmp_path: Path, small: str) -> None:
    (tmp_path / "reviews.txt").write_bytes(b"good\nx\x01y\nbad\n")
    told = tmp_path / "told"
    with told.open("wb") as stream:
        stream.write(b"what was there\n")
        stream.flush()
        argv = "explain", str(tmp_path / "reviews.txt"), "-m", small, "--errors", "/dev/stderr", "-f", "jsonl"
        command = [sys.executable, "-m", "rnnx", *argv]
        subprocess.run(command, stderr=stream, stdout=subprocess.DEVNULL, check=True)
    lines = told.read_text().splitlines()
    assert lines[0] == "what was there"
    assert any(line.startswith("{") and json.loads(line)["line"] == 2 for line in lines)
