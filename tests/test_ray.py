"""``--engine ray``: row for row what the local engine writes, whatever happened before."""

from __future__ import annotations

import json
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MODELS, WORDS, Run, random_model

pytest.importorskip("ray.data", exc_type=ImportError)

ROOT = Path(__file__).parent.parent
# A cluster that lives until its standard input ends.
CLUSTER = """
import os, sys
from rnnx.scale import ray
found = ray().init(address="local", num_cpus=3, object_store_memory=100 << 20, include_dashboard=False,
                   log_to_driver=False, logging_level="ERROR")
print(found.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""
# Shards of two windows: 6 of them where there are 1,300 rows.
SMALL = """
import sys
from rnnx import sharding
from rnnx.cli import main
sharding.WINDOWS = 2
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True, scope="module")
def own() -> Iterator[None]:
    """Other processes find this package, and our cluster and its users share a token of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
        yield


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.communicate("")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(random_model(tmp_path_factory.mktemp("model"), MODELS["attention"]))


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("data") / "reviews.jsonl"
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 30))) for _ in range(1300)]
    path.write_text("".join(json.dumps({"text": t if i % 50 else " "}) + "\n" for i, t in enumerate(texts)))
    return path


def command(*argv: str) -> list[str]:
    return [sys.executable, "-c", SMALL, "explain", *argv, "--engine", "ray"]


def done(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*argv), capture_output=True, text=True, check=False, timeout=300)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-[0-9]*"))


def whole(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in parts(folder))


def test_a_ray_of_its_own(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample reviews; names are relative to where the command stands."""
    monkeypatch.chdir(ROOT / "sample_data")
    argv = "reviews.csv", "--keep", "label", "--method", "grad-x-input"
    assert run("explain", *argv, "-o", str(tmp_path / "x.jsonl")).code == 0
    result = done(*argv, "-o", str(tmp_path / "parts"))
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert f"wrote {tmp_path / 'parts'}: 600 texts in 5 parts" in result.stderr
    assert whole(tmp_path / "parts") == (tmp_path / "x.jsonl").read_bytes()


def test_cut_off_and_gone_on_with(run: Run, small: str, reviews: Path, cluster: str, tmp_path: Path) -> None:
    errors = tmp_path / "local.errors", tmp_path / "errors"
    argv = str(reviews), "-m", small, "--method", "deeplift"
    assert run("explain", *argv, "-o", str(tmp_path / "x.jsonl"), "--errors", str(errors[0])).code == 0
    folder = tmp_path / "parts"
    ours = *argv, "-o", str(folder), "--errors", str(errors[1]), "--ray-address", cluster
    with subprocess.Popen(command(*ours), stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not any(folder.glob(".part-*.json")):
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert len(parts(folder)) < 6
    for argv, said in ((ours, "errors is there already"), (ours[:-4] + ours[-2:], "--resume goes on with them")):
        refused = done(*argv)
        assert (refused.returncode, said in refused.stderr) == (2, True)
    refused = done(*ours, "--resume", "--seed", "3")
    assert (refused.returncode, "seed was 0, is 3" in refused.stderr) == (2, True)
    result = done(*ours, "--resume", "--workers", "2")
    assert result.returncode == 0, result.stderr
    assert "in 6 parts" in result.stderr
    assert whole(folder) == (tmp_path / "x.jsonl").read_bytes()
    assert errors[1].read_bytes() == errors[0].read_bytes()
    again(folder, ours)


def again(folder: Path, ours: tuple[str, ...]) -> None:
    """Parts that are gone are made again, the others left alone; other rows are refused."""
    before, times = whole(folder), [path.stat().st_mtime_ns for path in parts(folder)]
    parts(folder)[4].unlink()
    (folder / "part-00001.jsonl.0f.part").write_text("half a l")
    assert done(*ours, "--resume").returncode == 0
    assert whole(folder) == before
    now = [path.stat().st_mtime_ns for path in parts(folder)]
    assert [a != b for a, b in zip(times, now, strict=True)] == [False] * 4 + [True] + [False]
    source = Path(ours[0])
    lines = source.read_text().splitlines(keepends=True)
    try:
        source.write_text("".join([*lines[:700], '{"text": "not a good film"}\n', *lines[701:]]))
        refused = done(*ours, "--resume")
    finally:
        source.write_text("".join(lines))
    assert (refused.returncode, "the input is not what it was" in refused.stderr) == (2, True)


def test_parquet_in_and_out(run: Run, small: str, reviews: Path, cluster: str, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    texts = [json.loads(line)["text"] for line in reviews.read_text().splitlines()]
    source, folder = tmp_path / "reviews.parquet", tmp_path / "parts"
    pq.write_table(pa.table({"review": texts, "id": range(len(texts))}), source, row_group_size=300)
    assert run("explain", str(source), "-m", small, "-o", str(tmp_path / "x.parquet")).code == 0
    argv = str(source), "-m", small, "-o", str(folder), "--ray-address", cluster, "--workers", "2"
    result = done(*argv, "--format", "parquet")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("the text is read from 'review'") == 1
    tables: list[Any] = [pq.read_table(path) for path in parts(folder)]
    assert len(tables) == 6
    assert pa.concat_tables(tables).equals(pq.read_table(tmp_path / "x.parquet"))
    result = done(*argv, "--format", "parquet", "--force", "--strict")
    assert result.returncode == 2
    assert f"error: {source}:row 1: the field 'review' has no text in it" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_cluster_there(reviews: Path, tmp_path: Path) -> None:
    result = done(str(reviews), "-o", str(tmp_path / "parts"), "--ray-address", "127.0.0.1:1")
    assert (result.returncode, "no ray cluster at 127.0.0.1:1" in result.stderr) == (2, True)
    assert "Traceback" not in result.stderr
