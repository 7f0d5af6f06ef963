"""A job spread over the machines of a ray cluster, as a pipeline of Ray Data: shards of rows in, parts of a folder out.

A shard is so many whole windows, and a window comes to the same wherever it is computed; so the parts, one behind the
other, are what one process would have written. Rows are read by our own readers, and not by Ray Data's: those stop at a
bad row, and do not say where a row stands. Every process must see the files and the folder under the same names.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate, count, islice
from pathlib import Path
from typing import Any, NamedTuple

from rnnx import pool
from rnnx.data import parquet, readers
from rnnx.data.readers import Ask, Entry
from rnnx.data.shards import Folder
from rnnx.errors import ConfigError, DataError, RnnxError
from rnnx.jobs import Chunk, Job, Window, windows
from rnnx.render.tally import Tally
from rnnx.streaming import sizes
from rnnx.types import LeftOut

WINDOWS = 16  # of a shard: 4,095 rows in the first, 8,192 in the others
STORE = 512 << 20  # bytes of rows on their way, of a ray of our own
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}


class Slice(NamedTuple):
    """Rows of a file: from one to before another, where not all."""

    path: Path
    first: int = 0
    stop: int | None = None


class Piece(NamedTuple):
    """Shards that are read one after the other: the number of the first, and where the rows stand."""

    shard: int
    slices: tuple[Slice, ...]


class Shard(NamedTuple):
    """Windows of rows; which share of the input was read for them, and what there was to say of it."""

    number: int
    windows: list[Window]
    share: float = 0.0
    said: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A checksum of the rows."""
        content = repr([window.entries for window in self.windows]).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(content, digest_size=16).hexdigest()


class Done(NamedTuple):
    """What a shard comes to: counts, and the rest as it was."""

    chunk: Chunk
    share: float
    said: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """How files are read, as for ``readers.entries``; ``place`` is where their names start, ``size`` a shard's."""

    paths: tuple[Path, ...]
    ask: Ask
    kind: str | None = None
    place: str = ""
    size: int = WINDOWS

    def pieces(self) -> list[Piece]:
        """What can be read apart: of Parquet, which knows how many rows it has, each shard; else all is one."""
        if any((self.kind or readers.suffix(path)) != ".parquet" for path in self.paths):
            return [Piece(0, tuple(map(Slice, self.paths)))]
        counts = [parquet.count(path) for path in self.paths]
        ends = accumulate(sum(islice(sizes(), i * self.size, (i + 1) * self.size)) for i in count())
        found: list[Piece] = []
        begin = 0
        for number, end in enumerate(ends):
            if begin >= sum(counts):
                return found
            found.append(Piece(number, tuple(_slices(self.paths, counts, begin, end))))
            begin = end
        return found

    def shards(self, piece: Piece) -> Iterator[Shard]:
        """The shards of a piece, in order. Raises what ``readers.entries`` raises."""
        whole = sum(path.stat().st_size for path in self.paths) or 1
        told: list[str] = []
        share = 0.0

        def read(value: float) -> None:
            nonlocal share
            share = value

        def entries() -> Iterator[Entry]:
            before = 0
            for part in piece.slices:
                size = part.path.stat().st_size
                ask = replace(self.ask, say=told.append if part.first == 0 else None)
                if part.stop is not None:
                    yield from readers.checked(parquet.rows(part.path, ask, part.first, part.stop), ask)
                else:
                    meter = _share(read, before / whole, size / whole)
                    yield from readers.entries(part.path, replace(ask, meter=meter), self.kind)
                before += size

        found = windows(entries(), piece.shard * self.size)
        for number in count(piece.shard):
            if not (taken := list(islice(found, self.size))):
                return
            yield Shard(number, taken, share, tuple(told))
            told.clear()


def _slices(paths: Sequence[Path], counts: Sequence[int], begin: int, end: int) -> Iterator[Slice]:
    """Where rows stand that are counted through several files."""
    for path, rows, before in zip(paths, counts, accumulate(counts, initial=0), strict=False):
        first, stop = max(begin - before, 0), min(end - before, rows)
        if first < stop:
            yield Slice(path, first, stop)


def _share(meter: Callable[[float], None], before: float, own: float) -> Callable[[float], None]:
    return lambda share: meter(before + share * own)


def part(job: Job, shard: Shard, folder: Folder) -> Chunk:
    """Write a shard's part, unless it is there, and count what is in it.

    Raises DataError if it is there of other rows, or cannot be written.
    """
    digest, end = shard.digest, shard.windows[-1].end
    if note := folder.noted(shard.number):
        if note["digest"] != digest:
            raise DataError(f"the input is not what it was: up to row {end:,} it differs", "begin again with --force")
        left_out = [LeftOut(*what) for what in note["left_out"]]
        return Chunk(end, digest, left_out=left_out, tally=Tally.of(note["tally"]))
    done = Chunk(end, digest)
    try:
        _write(job, shard, folder, done)
        folder.keep(shard.number, {"digest": digest, "left_out": done.left_out, "tally": vars(done.tally)})
    except OSError as error:
        raise DataError(f"{folder.part(shard.number)}: {error.strerror}", "make room, and --resume") from None
    return done


def _write(job: Job, shard: Shard, folder: Folder, done: Chunk) -> None:
    begun = False
    with folder.written(shard.number) as (path, stream):
        for chunk in map(job, shard.windows):
            if chunk.rows:
                stream.write((job.packed(job.writer.between) if begun else chunk.head) + chunk.rows)
                begun = True
            done.left_out += chunk.left_out
            done.tally.merge(chunk.tally)
        stream.write(job.packed(job.writer.tail(done.tally, empty=False)) if begun else b"")
    if begun:
        job.writer.finish(path, folder.part(shard.number))
    else:
        path.unlink()


class Worker:
    """An actor, which makes the job once; ``described`` is what it must be."""

    def __init__(self, make: Callable[[], Job], described: Mapping[str, Any], folder: Folder, place: str) -> None:
        self.make, self.described, self.folder, self.place = make, described, folder, place
        self.job: Job | None = None

    def __call__(self, table: Any) -> Any:
        """Pickled shards, or what stopped their reading, to pickled ``Done``."""
        return _table([(row["number"], self._done(pickle.loads(row["content"]))) for row in table.to_pylist()])

    def _done(self, found: Shard | RnnxError) -> Done | RnnxError:
        if isinstance(found, RnnxError):
            return found
        try:
            _go(self.place)
            self.job = self.job or self._made()
            return Done(part(self.job, found, self.folder), found.share, found.said)
        except RnnxError as error:
            return _plain(error)

    def _made(self) -> Job:
        job = self.make()
        if job.describe() != self.described:
            raise ConfigError("a worker has another rnnx, numpy or model than this process", "install the same on all")
        return job


class Reader:
    """Reads pieces, each to tables of one pickled shard."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[Any]:
        """The shards of the pieces; or, as the last, what stopped the reading."""
        for piece in map(pickle.loads, batch["piece"]):
            number = piece.shard
            try:
                _go(self.reading.place)
                for shard in self.reading.shards(piece):
                    yield _table([(shard.number, shard)])
                    number = shard.number + 1
            except RnnxError as error:
                yield _table([(number, _plain(error))])


def _go(place: str) -> None:
    try:
        os.chdir(place)
    except OSError as error:
        raise DataError(
            f"{place}: {error.strerror}, on a machine of the cluster", "all must see the files under the same names"
        ) from None


def _table(rows: Iterable[tuple[int, object]]) -> Any:
    import pyarrow

    numbers, contents = zip(*rows, strict=True)
    content = pyarrow.array([pickle.dumps(content) for content in contents], pyarrow.large_binary())
    return pyarrow.table({"number": pyarrow.array(numbers, pyarrow.int64()), "content": content})


def _plain(error: RnnxError) -> RnnxError:
    """An error that can be sent."""
    return RnnxError(error.message, error.hint)


def ray() -> Any:
    """The package, told to be quiet. Raises ConfigError where it is missing."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError:
        raise ConfigError("--engine ray needs ray", 'pip install "rnnx[ray]"') from None
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


@contextmanager
def cluster(address: str | None, workers: int) -> Iterator[Any]:
    """Ray, at an address; or one of our own on this machine, which ends afterwards. Raises DataError, ConfigError."""
    found = ray()
    options: dict[str, Any] = {"address": address}
    if address is None:
        for name in pool.THREADS:
            os.environ.setdefault(name, "1")  # which its processes inherit
        options = {
            "address": "local", "num_cpus": workers + 1, "object_store_memory": STORE, "include_dashboard": False,
        }  # fmt: skip
    try:
        found.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = f"no ray cluster at {address}" if address else "ray does not start"
        raise DataError(f"{where}: {str(error).partition(chr(10))[0]}", "ray status says whether one runs") from None
    try:
        yield found
    finally:
        found.shutdown()


def done(ray: Any, job: Job, reading: Reading, folder: Folder, workers: int) -> Iterator[Done]:
    """What the shards come to, in order, by so many actors. Raises what a worker raises, if it is an RnnxError."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.target_max_block_size = 1  # a shard a block, as soon as it is read
    pieces = [{"piece": pickle.dumps(piece)} for piece in reading.pieces()]
    worker = (job.elsewhere(), job.describe(), folder, reading.place)
    found = (
        ray.data.from_items(pieces, override_num_blocks=len(pieces))
        .map_batches(Reader(reading).__call__, batch_size=1, num_cpus=0.5)  # another share than the actors': not one
        .map_batches(
            Worker,
            fn_constructor_args=worker,
            batch_size=1,
            batch_format="pyarrow",
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
        )
    )
    return _ordered((row["number"], pickle.loads(row["content"])) for row in found.iter_rows())


def _ordered(found: Iterable[tuple[int, Done | RnnxError]]) -> Iterator[Done]:
    """What comes in any order, by its number."""
    waiting: dict[int, Done | RnnxError] = {}
    turn = 0
    for number, what in found:
        waiting[number] = what
        while turn in waiting:
            now = waiting.pop(turn)
            if isinstance(now, RnnxError):
                raise now
            yield now
            turn += 1
