"""A folder of parts, each of them written whole or not at all.

Beside ``part-00003.jsonl`` stands ``.part-00003.json``, written after it: which rows it is of, and what else is known
of them. A part without its note is not there. ``job.json`` says what the job is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from rnnx.data import journal
from rnnx.data.files import write_whole
from rnnx.errors import DataError


@dataclass(frozen=True)
class Folder:
    """Where the parts are, and the suffix that they have."""

    path: Path
    suffix: str

    @property
    def job(self) -> Path:
        """What says which job it is."""
        return self.path / "job.json"

    def part(self, number: int) -> Path:
        """A part."""
        return self.path / f"part-{number:05}{self.suffix}"

    def note(self, number: int) -> Path:
        """What says of which rows it is."""
        return self.path / f".part-{number:05}.json"

    def check(self, job: Mapping[str, Any], *, resume: bool, force: bool) -> None:
        """Raise DataError for parts that would be lost or that are another job's."""
        there = self.job.exists() or any(self._all())
        if there and not resume and not force:
            raise DataError(f"{self.path} holds parts already", "--resume goes on with them, --force begins again")
        if there and resume:
            journal.same(self.job, str(self.path), job)

    def begin(self, job: Mapping[str, Any], *, force: bool) -> None:
        """Make it ready for a job: as it is, or by ``force`` with what is there taken away.

        Raises DataError for a place that is no folder.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for path in list(self._all() if force else self.path.glob("part-*.part")):
                path.unlink()
            write_whole(self.job, json.dumps({"job": job}))
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror}", "choose a folder that you may write to") from None

    def noted(self, number: int) -> dict[str, Any] | None:
        """What is noted of a part that is whole; None if it is not there."""
        try:
            found = json.loads(self.note(number).read_text("utf-8"))
            size = self.part(number).stat().st_size if found["size"] is not None else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return dict(found) if size == found["size"] else None

    @contextmanager
    def written(self, number: int) -> Iterator[tuple[Path, BinaryIO]]:
        """A file to write a part into, on the disk afterwards under the name of what is no part yet."""
        part = self.part(number)
        path = journal.part(part.with_name(f"{part.name}.{uuid4().hex}"))  # two may write it: one that is given up late
        with path.open("wb") as stream:
            yield path, stream
            stream.flush()
            os.fsync(stream.fileno())

    def keep(self, number: int, note: Mapping[str, Any]) -> None:
        """Note what a part is, which is thereby there; it may be none, where its rows came to nothing."""
        part, size = self.part(number), None
        if part.exists():
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
            size = part.stat().st_size
        write_whole(self.note(number), json.dumps({**note, "size": size}))

    def ended(self, count: int) -> None:
        """Raise DataError if there are more parts than so many."""
        if self.note(count).exists():
            raise DataError(f"{self.path} has parts of rows that the input has no more", journal.AGAIN)

    def _all(self) -> Iterator[Path]:
        """The files that are its own."""
        for pattern in ("part-[0-9]*", ".part-[0-9]*.json", ".part-[0-9]*.new", "job.json"):
            yield from self.path.glob(pattern)
