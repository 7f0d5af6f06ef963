"""A job that is interrupted, by whatever and whenever, loses nothing: gone on with, it ends in the same bytes."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rnnx.data.journal import note, part
from tests.conftest import MODELS, WORDS, Run, random_model

# Notes at each piece how far the file is, and is slow enough to be hit in the middle of things.
SLOWLY = """
import sys, time, rnnx.data.journal as j, rnnx.jobs as jobs
from rnnx.cli import main
j.EVERY = float(sys.argv[1])
found = jobs.Asking.found
def slowly(self, window):
    for i, item in enumerate(found(self, window)):
        if i % 64 == 0:
            time.sleep(float(sys.argv[2]))
        yield item
jobs.Asking.found = slowly
commit = j.Journal.commit
def committed(self, *piece):  # also where other processes explain, which are not slowed
    time.sleep(4 * float(sys.argv[2]))
    commit(self, *piece)
j.Journal.commit = committed
sys.exit(main(sys.argv[3:]))
"""
KILLS = 12


def command(*argv: str, every: float = 0.0, pause: float = 0.0) -> list[str]:
    return [sys.executable, "-c", SLOWLY, str(every), str(pause), *argv]


def done(*argv: str, **given: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*argv), capture_output=True, text=True, check=False, **given)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(random_model(tmp_path_factory.mktemp("model"), MODELS["attention"]))


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("data") / "reviews.jsonl"
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 30))) for _ in range(4000)]
    path.write_text("".join(json.dumps({"text": t if i % 50 else " "}) + "\n" for i, t in enumerate(texts)))
    return path


@pytest.mark.parametrize(
    ("does", "suffix", "more"),
    [
        *(("explain", suffix, ()) for suffix in (".jsonl", ".csv.gz", ".parquet", ".txt", ".html")),
        ("explain", ".json", ("--workers", "2")),
        ("predict", ".csv", ()),
        ("predict", ".jsonl.gz", ("--workers", "2")),
    ],
    ids=["jsonl", "csv.gz", "parquet", "plain", "html", "json-workers", "predict-csv", "predict-jsonl.gz-workers"],
)
def test_killed_again_and_again_it_ends_in_the_same_bytes(
    small: str, reviews: Path, does: str, suffix: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    once, target = tmp_path / f"once{suffix}", tmp_path / f"often{suffix}"
    errors = tmp_path / "once.errors", tmp_path / "often.errors"
    argv = does, str(reviews), "-m", small
    assert done(*argv, "-o", str(once), "--errors", str(errors[0])).returncode == 0
    rng, sizes = random.Random(does + suffix), []
    for _ in range(KILLS):
        begun = part(target).stat().st_size if part(target).exists() else 0
        process = subprocess.Popen(
            command(*argv, "-o", str(target), "--errors", str(errors[1]), "--resume", *more, pause=0.02),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < wait:  # until it goes on, and then for a moment
            if part(target).exists() and part(target).stat().st_size > begun:
                break
            time.sleep(0.005)
        time.sleep(rng.random() * 0.2)
        process.kill()
        process.wait()
        sizes.append(part(target).stat().st_size if part(target).exists() else -1)
    assert len({size for size in sizes if size > 0}) > 3  # it was hit in several places
    assert done(*argv, "-o", str(target), "--errors", str(errors[1]), "--resume").returncode == 0
    assert target.read_bytes() == once.read_bytes()
    assert errors[0].read_bytes() == errors[1].read_bytes() != b""
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in (once, target, *errors)}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_full_disk_loses_nothing(small: str, reviews: Path, suffix: str, tmp_path: Path) -> None:
    once, target = tmp_path / f"once{suffix}", tmp_path / f"target{suffix}"
    argv = "explain", str(reviews), "-m", small
    assert done(*argv, "-o", str(once)).returncode == 0

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    result = done(*argv, "-o", str(target), preexec_fn=little)
    assert result.returncode == 2
    assert "error: " in result.stderr
    assert "Traceback" not in result.stderr
    assert "--resume goes on" in result.stderr
    assert not target.exists()
    again = done(*argv, "-o", str(target), "--resume", preexec_fn=little)  # it is still full
    assert again.returncode == 2
    assert done(*argv, "-o", str(target), "--resume").returncode == 0
    assert target.read_bytes() == once.read_bytes()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_ends_at_once_and_is_gone_on_with(small: str, reviews: Path, workers: str, tmp_path: Path) -> None:
    once, target = tmp_path / "once.jsonl", tmp_path / "target.jsonl"
    argv = "explain", str(reviews), "-m", small
    assert done(*argv, "-o", str(once)).returncode == 0
    process = subprocess.Popen(
        command(*argv, "-o", str(target), "--workers", workers, every=9, pause=0.05),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # in the background it is ignored
    )
    while not part(target).exists() or part(target).stat().st_size < 100_000:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"what was done so far is in {part(target)}; the same command with --resume goes on" in err
    assert json.loads(note(target).read_text())["state"]["size"] == part(target).stat().st_size
    result = done(*argv, "-o", str(target), "--resume")
    assert "going on behind row " in result.stderr
    assert target.read_bytes() == once.read_bytes()


class TestRefused:
    @pytest.fixture
    def begun(self, small: str, reviews: Path, tmp_path: Path) -> tuple[Path, Path]:
        """An input of its own, and an output of it that was interrupted."""
        source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
        source.write_text(reviews.read_text())
        process = subprocess.Popen(command("explain", str(source), "-m", small, "-o", str(target), pause=0.05))
        while not part(target).exists() or part(target).stat().st_size < 100_000:
            time.sleep(0.01)
        process.kill()
        process.wait()
        return source, target

    def test_another_job(self, run: Run, small: str, begun: tuple[Path, Path], tmp_path: Path) -> None:
        source, target = begun
        before = part(target).read_bytes()
        same = "explain", str(source), "-o", str(target), "--resume"
        other = str(random_model(tmp_path / "other", MODELS["last"]))
        for more, said in (
            (("-m", small, "--method", "grad"), "method was 'lrp', is 'grad'"),
            (("-m", small, "--of", "prob"), "settings was {'of': 'logit'}"),
            (("-m", small, "--seed", "1"), "seed was 0, is 1"),
            (("-m", small, "--target", "positive"), "target was None, is 1"),
            (("-m", small, "--view", "chain"), "view was None, is 'chain'"),
            (("-m", small, "--keep", "text"), "keep"),
            (("-m", small, "--format", "json"), "format"),
            (("-m", other), "model was"),
        ):
            result = run(*same, *more)
            assert result.code == 2, more
            assert said in result.err
            assert "--force" in result.err
        assert part(target).read_bytes() == before

    def test_other_weights_of_the_same_name(self, run: Run, begun: tuple[Path, Path], small: str) -> None:
        source, target = begun
        weights = Path(small) / "model.safetensors"
        before = weights.read_bytes()
        try:
            random_model(Path(small), MODELS["attention"], seed=1)
            result = run("explain", str(source), "-o", str(target), "--resume", "-m", small)
        finally:
            weights.write_bytes(before)
        assert result.code == 2
        assert "weights was" in result.err

    def test_another_input(self, run: Run, small: str, begun: tuple[Path, Path]) -> None:
        source, target = begun
        lines = source.read_text().splitlines(keepends=True)
        before = part(target).read_bytes()
        for changed in (["{}\n", *lines[1:]], lines[1:], lines[:20], [*lines[:5], *lines]):
            source.write_text("".join(changed))
            result = run("explain", str(source), "-m", small, "-o", str(target), "--resume")
            assert result.code == 2
            assert "the input is not what it was" in result.err
        assert part(target).read_bytes() == before

    def test_without_a_flag_nothing_is_touched(self, run: Run, small: str, begun: tuple[Path, Path]) -> None:
        source, target = begun
        before = part(target).read_bytes()
        result = run("explain", str(source), "-m", small, "-o", str(target))
        assert (result.code, part(target).read_bytes()) == (2, before)
        assert "--resume goes on with it, --force begins again" in result.err
        note(target).unlink()
        result = run("explain", str(source), "-m", small, "-o", str(target), "--resume")
        assert (result.code, part(target).read_bytes()) == (2, before)
        assert run("explain", str(source), "-m", small, "-o", str(target), "--force").code == 0
        assert not part(target).exists()

    def test_a_second_process_keeps_out(self, run: Run, small: str, reviews: Path, tmp_path: Path) -> None:
        target = tmp_path / "out.jsonl"
        process = subprocess.Popen(command("explain", str(reviews), "-m", small, "-o", str(target), pause=0.2))
        while not part(target).exists() or part(target).stat().st_size < 10_000:
            time.sleep(0.01)
        for flag in ("--resume", "--force"):
            result = run("explain", str(reviews), "-m", small, "-o", str(target), flag)
            assert result.code == 2
            assert "another process is writing" in result.err
        assert part(target).stat().st_size >= 10_000
        process.kill()
        process.wait()

    def test_flags_that_do_not_fit(self, run: Run, tmp_path: Path) -> None:
        for argv in (("--resume",), ("--resume", "--force", "-o", str(tmp_path / "x.jsonl"))):
            result = run("explain", "good", *argv)
            assert result.code == 2
            assert "--resume goes on" in result.err

    def test_errors_that_would_spoil_another_file(self, run: Run, tmp_path: Path) -> None:
        target = str(tmp_path / "x.jsonl")
        for output, errors, said in (
            (target, f"{tmp_path}/./x.jsonl", "--output and --errors are both"),
            (target, "-", "--errors - is no file"),
            (target, os.devnull, f"--errors {os.devnull} is no file"),
            ("-", "-", "--errors - is no file"),
        ):
            result = run("explain", "good", "-o", output, "--errors", errors, "--force")
            assert (result.code, said in result.err) == (2, True), result.err
        assert not list(tmp_path.iterdir())

    def test_errors_that_cannot_be_written_are_named(self, run: Run, small: str, tmp_path: Path) -> None:
        target, errors = tmp_path / "x.jsonl", tmp_path / "none" / "errors.jsonl"
        result = run("explain", "good", "-m", small, "-o", str(target), "--errors", str(errors))
        assert (result.code, f"error: {errors}: No such file" in result.err) == (2, True), result.err
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("does", ["explain", "predict"])
    def test_a_stream_that_leads_to_a_file_is_written_and_not_replaced(self, does: str, tmp_path: Path) -> None:
        found = tmp_path / "found.jsonl"
        with found.open("wb") as stream:
            argv = [sys.executable, "-m", "rnnx", does, "good", "-f", "jsonl", "-o", "/proc/self/fd/1"]
            subprocess.run(argv, stdout=stream, check=True)
        assert json.loads(found.read_text())["text"] == "good"

    def test_what_is_whole_stays(self, run: Run, small: str, tmp_path: Path) -> None:
        target = tmp_path / "x.jsonl"
        for _ in range(2):  # the first time there is nothing to go on with
            result = run("explain", "good film", "-m", small, "-o", str(target), "--resume")
            assert result.code == 0
        assert "is whole already" in result.err
