"""A job in shards: the parts, one behind the other, are the file that one process writes; and nothing is lost."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from rnnx.data import parquet
from rnnx.data.readers import Ask, entries
from rnnx.data.shards import Folder
from rnnx.errors import DataError
from rnnx.jobs import Explaining, Plan, windows
from rnnx.render.tally import Tally
from rnnx.render.writers import Style
from rnnx.sharding import Reading, part
from tests.conftest import MODELS, WORDS, Run, random_model

ROWS = 1_300


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(random_model(tmp_path_factory.mktemp("model"), MODELS["attention"]))


@pytest.fixture(scope="module")
def rows() -> list[str]:
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, 9))) if i % 50 else " " for i in range(ROWS)]


@pytest.fixture(scope="module")
def reviews(rows: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "reviews.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" if i % 77 else "{\n" for i, text in enumerate(rows)))
    return path


Made = Callable[[str], tuple[Path, ...]]


@pytest.fixture
def files(rows: list[str], reviews: Path, tmp_path: Path) -> Made:
    def made(kind: str) -> tuple[Path, ...]:
        if kind != "parquet":
            return (reviews,)
        pa = pytest.importorskip("pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        found = []
        for i, (begin, end) in enumerate([(0, 700), (700, 700), (700, 1_210), (1_210, ROWS)]):
            found.append(tmp_path / f"{i}.parquet")
            table = pa.table({"stars": list(range(begin, end)), "review": pa.array(rows[begin:end], pa.string())})
            pq.write_table(table, found[-1], row_group_size=90)
        return tuple(found)

    return made


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(("size", "most"), [(1, None), (2, None), (4, None), (100, None), (5, 16)])
def test_shards_are_the_windows_of_the_whole(files: Made, kind: str, size: int, most: int | None) -> None:
    paths, said = files(kind), list[str]()
    ask = Ask(guess=True, keep=("stars",) if kind == "parquet" else ())
    reading = Reading(paths, ask, size=size, most=most)
    whole = list(windows(chain.from_iterable(entries(path, ask) for path in paths), most))
    pieces = reading.pieces()
    shards = [shard for piece in random.Random(0).sample(pieces, len(pieces)) for shard in reading.shards(piece)]
    assert (len(pieces) > 1) == (kind == "parquet" and size < 100)
    shards.sort(key=lambda shard: shard.number)
    assert [shard.number for shard in shards] == list(range(-(-len(whole) // size)))
    found = [window for shard in shards for window in shard.windows]
    assert [(w.number, w.entries) for w in found] == [(w.number, w.entries) for w in whole]
    said = [line for shard in shards for line in shard.said]
    assert len(said) == (3 if kind == "parquet" else 0)  # a guess for each file with rows


def test_rows_from_the_middle_of_a_parquet_file(files: Made) -> None:
    path = files("parquet")[0]
    whole = list(parquet.rows(path, Ask(("review",))))
    assert parquet.count(path) == len(whole) == 700
    for first, stop in ((0, 0), (0, 1), (89, 91), (90, 180), (650, 700), (699, 5_000), (700, 701)):
        assert list(parquet.rows(path, Ask(("review",)), first, stop)) == whole[first:stop]


class TestParts:
    @pytest.fixture
    def job(self, small: str) -> Explaining:
        return Explaining(Plan(small, {}, Style("jsonl"), ("text",)))

    @pytest.fixture
    def folder(self, job: Explaining, tmp_path: Path) -> Folder:
        found = Folder(tmp_path / "parts", ".jsonl")
        found.begin(job.describe(), force=False)
        return found

    def test_one_behind_the_other_they_are_the_file(
        self, job: Explaining, folder: Folder, reviews: Path, run: Run, small: str, tmp_path: Path
    ) -> None:
        target, errors = tmp_path / "x.jsonl", tmp_path / "errors.jsonl"
        argv = str(reviews), "-m", small, "--trust", "off", "-o", str(target), "--errors", str(errors)
        assert run("explain", *argv).code == 0
        reading = Reading((reviews,), Ask(), size=3)
        shards = [shard for piece in reading.pieces() for shard in reading.shards(piece)]
        done = [part(job, shard, folder) for shard in reversed(shards)][::-1]
        parts = [folder.part(shard.number) for shard in shards]
        assert b"".join(path.read_bytes() for path in parts) == target.read_bytes()
        places = [what.where for chunk in done for what in chunk.left_out]
        assert places == [f"{e['file']}:{e['line']}" for e in map(json.loads, errors.read_text().splitlines())]
        self.again(job, folder, reading, done)

    def again(self, job: Explaining, folder: Folder, reading: Reading, done: list[object]) -> None:
        """What is there is not made again; what is not, or is no whole part, is."""
        shards = list(reading.shards(reading.pieces()[0]))
        before = [folder.part(shard.number).read_bytes() for shard in shards]
        times = [folder.part(shard.number).stat().st_mtime_ns for shard in shards]
        folder.part(0).write_bytes(before[0][:-5])
        folder.note(1).unlink()
        folder.part(2).unlink()
        again = [part(job, shard, folder) for shard in shards]
        assert [folder.part(shard.number).read_bytes() for shard in shards] == before
        made = [folder.part(shard.number).stat().st_mtime_ns != time for shard, time in zip(shards, times, strict=True)]
        assert made == [True, True, True] + [False] * (len(shards) - 3)
        assert again == done

    def test_rows_without_an_explanation_have_no_part(self, job: Explaining, folder: Folder, tmp_path: Path) -> None:
        path = tmp_path / "bad.jsonl"
        path.write_text("{\n" * 9)
        (shard,) = Reading((path,), Ask()).shards(Reading((path,), Ask()).pieces()[0])
        for _ in range(2):
            chunk = part(job, shard, folder)
            assert len(chunk.left_out) == 9
            assert chunk.tally.left_out == {"not JSON": 9}
        assert sorted(path.name for path in folder.path.iterdir()) == [".part-00000.json", "job.json"]

    def test_other_rows(self, job: Explaining, folder: Folder, reviews: Path, tmp_path: Path) -> None:
        def first(path: Path) -> Tally:
            reading = Reading((path,), Ask(), size=2)
            return part(job, next(reading.shards(reading.pieces()[0])), folder).tally

        first(reviews)
        other = tmp_path / "other" / "reviews.jsonl"
        other.parent.mkdir()
        other.write_text(reviews.read_text())
        with pytest.raises(DataError, match="the input is not what it was"):
            first(other)  # the place of a row is in its explanation

    def test_folders(self, job: Explaining, folder: Folder, reviews: Path, small: str) -> None:
        described = job.describe()
        with pytest.raises(DataError, match="holds parts already"):
            folder.check(described, resume=False, force=False)
        left = folder.path / "part-00003.jsonl.0f.part"
        left.write_text("half a l")
        folder.check(described, resume=True, force=False)
        folder.begin(described, force=False)
        assert not left.exists()
        with pytest.raises(DataError, match="another job: style was"):
            folder.check({**described, "style": {}}, resume=True, force=False)
        folder.part(3).write_text("a part")
        folder.note(3).write_text("{}")
        with pytest.raises(DataError, match="rows that the input has no more"):
            folder.ended(3)
        folder.begin({"another": "job"}, force=True)
        assert [path.name for path in folder.path.iterdir()] == ["job.json"]
        folder.job.write_text("{")
        with pytest.raises(DataError, match="does not say how far"):
            folder.check(described, resume=True, force=False)
        with pytest.raises(DataError, match=r"reviews\.jsonl"):
            Folder(reviews, ".jsonl").begin(described, force=False)


class TestFlags:
    @pytest.mark.parametrize(
        ("argv", "said"),
        [
            (("-o", "x.jsonl"), "a folder of parts, not x.jsonl"),
            ((), "name it with --output FOLDER"),
            (("-o", "parts", "--format", "json"), "writes no json"),
            (("-o", "parts", "--device", "cuda"), "on the CPU"),
            (("-o", "parts", "--resume", "--force"), "give one of them"),
        ],
    )
    def test_what_does_not_fit(self, run: Run, reviews: Path, argv: tuple[str, ...], said: str) -> None:
        result = run("explain", str(reviews), "--engine", "ray", *argv)
        assert result.code == 2
        assert said in result.err
        assert not Path("parts").exists()

    def test_an_address_of_nothing(self, run: Run, reviews: Path) -> None:
        result = run("explain", str(reviews), "--ray-address", "auto")
        assert "--ray-address is for --engine ray" in result.err

    def test_other_verbs_have_no_such_engine(self, run: Run, small: str) -> None:
        result = run("predict", "good", "-m", small, "--engine", "ray")
        assert "unknown engine 'ray'" in result.err

    def test_without_ray(self, reviews: Path, tmp_path: Path) -> None:
        code = "import sys; sys.modules['ray'] = None; from rnnx.cli import main; sys.exit(main(sys.argv[1:]))"
        argv = "explain", str(reviews), "--engine", "ray", "-o", str(tmp_path / "parts")
        found = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=False)
        assert found.returncode == 2
        assert found.stderr == 'error: --engine ray needs ray\nhint: pip install "rnnx[ray]"\n'
        assert not (tmp_path / "parts").exists()
