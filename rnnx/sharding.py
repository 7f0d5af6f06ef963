"""A job in shards, each read and written apart: so many whole windows of rows in, a part of a folder out.

A window comes to the same wherever it is computed; so the parts, one behind the other, are what one process would have
written. Rows are read by our own readers, which go on behind a bad row and know where each one stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, count, islice
from pathlib import Path
from typing import NamedTuple

from rnnx.data import parquet, readers
from rnnx.data.readers import Ask, Entry
from rnnx.data.shards import Folder
from rnnx.errors import DataError
from rnnx.jobs import Chunk, Job, Window, windows
from rnnx.render.tally import Tally
from rnnx.streaming import sizes
from rnnx.types import LeftOut

WINDOWS = 16  # of a shard: 4,095 rows in the first, 8,192 in the others


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


@dataclass(frozen=True)
class Reading:
    """How files are read, as for ``readers.entries``; ``place`` is where their names start, ``size`` a shard's, and
    ``most`` as for ``jobs.windows``.
    """

    paths: tuple[Path, ...]
    ask: Ask
    kind: str | None = None
    place: str = ""
    size: int = WINDOWS
    most: int | None = None

    def pieces(self) -> list[Piece]:
        """What can be read apart: of Parquet, which knows how many rows it has, each shard; else all is one."""
        if any((self.kind or readers.suffix(path)) != ".parquet" for path in self.paths):
            return [Piece(0, tuple(map(Slice, self.paths)))]
        counts = [parquet.count(path) for path in self.paths]
        ends = accumulate(sum(islice(sizes(self.most), i * self.size, (i + 1) * self.size)) for i in count())
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

        found = windows(entries(), self.most, piece.shard * self.size)
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
