"""``rnnx train`` on input that cannot be trained on: one error, one hint, 2, and all that was there stays."""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from rnnx.training import progress
from tests.conftest import Run

GOOD = [{"text": f"a {word} film {i}", "label": label} for i in range(10) for word, label in (("good", 1), ("bad", 0))]
CONFIG = """
output: run
half: true
data: {train: [train.jsonl], dev_share: 0.2}
text: {min_count: 1}
model: {kind: rnn-relu, embedding: 4, hidden: 4}
training: {epochs: 2, batch_tokens: 20}
"""
HUGE = "film 3e38 -3e38 3e38 -3e38\n"  # whose sums are infinite


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config and its data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    write(tmp_path / "train.jsonl", GOOD)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(run: Run, *argv: str, error: str, hint: str = "") -> None:
    """One error, one hint, exit code 2, no traceback, and the finished run is as it was."""
    assert run("train", "c.yaml", "-q").code == 0
    before = contents(Path("run"))
    result = run("train", "c.yaml", "--force", "-q", *argv)
    assert result.code == 2, result.err
    assert result.out == ""
    (line,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    (advice,) = [line for line in result.err.splitlines() if line.startswith("hint: ")]
    assert error in line
    assert hint in advice
    assert "Traceback" not in result.err
    assert {name: data for name, data in contents(Path("run")).items() if name != progress.FILE} == before


@pytest.mark.parametrize(
    ("rows", "error", "hint"),
    [
        ([], "bad.jsonl: no labelled text in it", "it is empty"),
        ([{"text": " ", "label": 1}] * 3, "bad.jsonl: no labelled text in it", "all 3 rows were left out"),
        ([{"text": "x"}], "bad.jsonl: no labelled text in it", "no field 'label'"),
        ([{"review": "x", "label": 1}], "bad.jsonl: no labelled text in it", "no field 'text'"),
        ([{"text": "one film", "label": 1}], "all texts have the label '1'", "at least two labels"),
        ([{"text": "!" * i, "label": i % 2} for i in range(1, 20)], "no word occurs 2 times", "text.min_count"),
    ],
)
def test_rows(run: Run, here: Path, rows: list[dict[str, object]], error: str, hint: str) -> None:
    write(here / "bad.jsonl", rows)
    refused(run, "--set", "data.train=[bad.jsonl]", "--set", "text.min_count=2", error=error, hint=hint)


@pytest.mark.parametrize(
    ("setting", "error", "hint"),
    [
        ("data.train=[nothing.jsonl]", "data.train: nothing.jsonl: no such file or folder", "data.folder"),
        ('data.train=["a\\\\0b.csv"]', "b.csv: no such file or folder", "data.folder"),
        ("data.train=[folder]", "folder holds no classes", "a folder of .txt files a class"),
        ("data.train=[folder.csv]", "folder.csv", ""),
        ("data.train=[latin.csv]", "latin.csv: no labelled text in it", "not UTF-8"),
        ("data.train=[utf16.csv]", "utf16.csv is not text in UTF-8", "save it as UTF-8"),
        ("data.train=[other.csv]", "other.csv:1: no column 'text'", "review"),
        ("data.dev=[odd.jsonl]", "odd.jsonl:1: '7'", "choose from 0, 1"),
        ("data.labels=['0','1','2']", "no text to train on has the label '2'", "0 8, 1 8, 2 0"),
        ("data.dev_share=0.01", "data.dev_share 0.01 leaves no texts", "another share"),
        ("text.vectors=huge.txt", "training diverged in epoch", "a smaller training.learning_rate"),
        ("text.vectors=nothing.txt", "text.vectors: nothing.txt: no such file or model", "check the name"),
        ("text.vectors=train.jsonl", "train.jsonl:1: not a word and its numbers", "as in the text files of GloVe"),
        ("training.device=tpu", "training.device: should be 'auto', 'cpu' or 'cuda', not 'tpu'", ""),
        ("training.epochs=0", "--set training.epochs: should be greater than 0, not 0", ""),
        ("training.epoch=3", "--set training.epoch: no such setting; did you mean epochs", ""),
        ("training.class_weights={bad: 2}", "unknown label in training.class_weights: 'bad'", "choose from 0, 1"),
        ("training.teachers=[nobody]", "training.teachers: no model 'nobody'", "sentiment-lstm"),
        ("text={vectors: large.txt, vector_scale: 1.0e+6}", "embedding.weight is beyond 65504", "half: false"),
    ],
)
def test_settings(run: Run, here: Path, setting: str, error: str, hint: str) -> None:
    for name in ("folder", "folder.csv"):
        (here / name).mkdir()
    (here / "latin.csv").write_bytes("text,label\ncaf\xe9,1\n".encode("latin-1"))
    (here / "utf16.csv").write_text("text,label\ncafe,1\n", "utf-16")
    (here / "other.csv").write_text("review,label\ncafe,1\n")
    (here / "huge.txt").write_text(HUGE)
    (here / "large.txt").write_text("film 1 -1 1 -1\n")
    write(here / "odd.jsonl", [{"text": "x", "label": 7}])
    refused(run, "--set", setting, error=error, hint=hint)


@pytest.mark.parametrize("name", ["nothing.yaml", "folder"])
def test_no_config(run: Run, here: Path, name: str) -> None:
    (here / "folder").mkdir()
    result = run("train", name)
    assert result.code == 2
    assert result.err.startswith(f"error: {name}: ")
    assert "\nhint: " in result.err


def test_a_model_that_is_too_large(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte.")

    monkeypatch.setattr("rnnx.training.run.RecurrentNetwork", full)
    result = run("train", "c.yaml", "-q")
    assert result.code == 2
    assert result.err.startswith("error: the model does not fit into the memory\nhint: a smaller model.hidden")


def test_all_that_is_missing_at_once(run: Run, here: Path) -> None:
    result = run("train", "c.yaml", "--set", "data.train=[a.csv, b.csv]", "--set", "text.vectors=c.npy")
    assert result.code == 2
    assert result.err.count("no such file") == 3
    assert "3 things are missing" in result.err


def test_the_bad_rows_of_a_good_file_are_told_and_left_out(run: Run, here: Path) -> None:
    with (here / "train.jsonl").open("ab") as stream:
        stream.write(b'{"text": "caf\xe9", "label": 1}\nnot JSON\n')
    result = run("train", "c.yaml")
    assert result.code == 0
    assert "train.jsonl:21: not UTF-8" in result.err
    assert "train.jsonl:22: not JSON" in result.err
    assert "left out: not UTF-8 (1), not JSON (1)" in result.err


def interrupted(run: Run, here: Path) -> Path:
    """The checkpoint of a run that diverges, which leaves it behind."""
    (here / "huge.txt").write_text(HUGE)
    assert run("train", "c.yaml", "-q", "--set", "text.vectors=huge.txt").code == 2
    return here / "run" / progress.FILE


def test_a_checkpoint_of_another_version(run: Run, here: Path) -> None:
    file = interrupted(run, here)
    save_file(load_file(file), file, metadata={"progress": json.dumps({"format": 99})})
    result = run("train", "c.yaml", "--resume")
    assert result.code == 2
    assert f"error: {Path('run') / progress.FILE} cannot be read: its format is 99" in result.err
    assert "hint: --force starts the training anew" in result.err


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("a pickle was opened",)


def test_a_checkpoint_with_code_in_it_is_never_run(run: Run, here: Path) -> None:
    file = interrupted(run, here)
    file.write_bytes(pickle.dumps(Bomb()))
    result = run("train", "c.yaml", "--resume")
    assert result.code == 2
    assert "cannot be read" in result.err


def test_without_space_the_last_checkpoint_and_model_stay(here: Path) -> None:
    """A limit on the size of files stands in for the full disk: writing fails in the middle."""
    argv = [sys.executable, "-m", "rnnx", "train", "c.yaml", "--force", "-q", "--set", "training.save_every=0.001"]
    root = Path(__file__).parent.parent
    environ = {"PYTHONPATH": str(root), "PATH": ""}
    assert subprocess.run(argv, env=environ, capture_output=True).returncode == 0
    before = contents(here / "run")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    result = subprocess.run(argv, env=environ, capture_output=True, text=True, preexec_fn=limit)
    assert result.returncode == 2, result.stderr
    assert "error: " in result.stderr
    assert "free some space" in result.stderr
    assert "Traceback" not in result.stderr
    assert contents(here / "run") == before
