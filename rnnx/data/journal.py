"""A file that is written piece by piece, and gone on with after an interruption.

Until it is whole it is NAME.part, and beside it stands NAME.job: what the job is, and how much of the file is known to
be whole. What was written after that is cut off when the job goes on, and made again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from rnnx.data.files import write_whole
from rnnx.errors import DataError

EVERY = 1.0  # seconds between two notes of how far the file is


@dataclass
class State:
    """How far a job is: rows that were read, their checksum, bytes of the file and of the one of errors; and more."""

    rows: int = 0
    digest: str = ""
    size: int = 0
    errors: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """The file while it is written. ``state`` is how far it is; ``more`` says what else belongs to that."""

    def __init__(
        self, target: Path, errors: Path | None, state: State, job: Mapping[str, Any], more: Callable[[], Any]
    ) -> None:
        self.target, self.state, self.job, self.more = target, state, job, more
        self.part, self.note = part(target), note(target)
        self.stream = _opened(self.part, state.size)
        try:
            self.told, self.errors = errors, _opened(errors, state.errors) if errors else None
        except BaseException:
            self.stream.close()
            if not state.size:
                self.part.unlink()
            raise
        self.whole, self.saved = True, 0.0
        self.save()

    def commit(self, data: bytes, errors: bytes, rows: int, digest: str, count: Callable[[], None]) -> None:
        """Write a piece, up to a row and its checksum. ``count`` is called to change what ``more`` says."""
        self.whole = False
        _write(self.stream, data)
        if self.errors:
            _write(self.errors, errors)
        count()
        self.state = State(rows, digest, self.state.size + len(data), self.state.errors + len(errors))
        self.whole = True
        if time.monotonic() - self.saved > EVERY:
            self.save()

    def save(self) -> None:
        """Note how far the file is."""
        state = {**asdict(self.state), "more": self.more()}
        write_whole(self.note, json.dumps({"job": self.job, "state": state}))
        self.saved = time.monotonic()

    def finish(self, tail: bytes, finish: Callable[[Path, Path], None]) -> None:
        """Write the end, and give the file its name."""
        _write(self.stream, tail)
        self.close()
        finish(self.part, self.target)
        self.note.unlink(missing_ok=True)

    def interrupt(self) -> None:
        """Close the files; note how far they are, unless it happened in the middle of a piece. Of nothing, nothing."""
        if self.whole:
            with suppress(OSError):  # a full disk: the last note still holds
                self.save()
        self.close()
        if not self.state.rows:
            for path in (self.part, self.note, self.told):
                if path:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files."""
        self.stream.close()
        if self.errors:
            self.errors.close()


def part(target: Path) -> Path:
    """What the file is called until it is whole."""
    return target.with_name(f"{target.name}.part")


def note(target: Path) -> Path:
    """What says how far it is."""
    return target.with_name(f"{target.name}.job")


def earlier(target: Path, job: Mapping[str, Any]) -> State | None:
    """How far the same job was with this file, if it was begun. Raises DataError if it was another job."""
    if not part(target).exists():
        return None
    found = same(note(target), str(part(target)), job)
    try:
        state = State(**found["state"])
    except (KeyError, TypeError) as error:
        raise _unclear(note(target), str(part(target)), error) from None
    if part(target).stat().st_size < state.size:
        raise DataError(f"{part(target)} is shorter than it was", AGAIN)
    return state


def same(note: Path, what: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """A note of how far ``what`` is. Raises DataError if it is of another job, or cannot be read."""
    try:
        found = dict(json.loads(note.read_text("utf-8")))
        before = dict(found["job"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unclear(note, what, error) from None
    now = json.loads(json.dumps(job))
    changed = [
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}" for name in now if before.get(name) != now[name]
    ]
    if changed:
        raise DataError(f"{what} is of another job: {'; '.join(changed)}", AGAIN)
    return found


def _unclear(note: Path, what: str, error: Exception) -> DataError:
    return DataError(f"{note} does not say how far {what} is: {error}", AGAIN)


AGAIN = "give the options that it was begun with, or begin again with --force"


def _opened(path: Path, size: int) -> BinaryIO:
    """A file to write to, of which the first bytes stay. Raises DataError while another process writes to it."""
    # Not "wb", which would empty the file of that process first.
    stream = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")  # noqa: SIM115 # the journal closes it
    try:
        _lock(stream, path)
        stream.truncate(size)
        stream.seek(size)
    except BaseException:
        stream.close()
        raise
    return stream


def _lock(stream: BinaryIO, path: Path) -> None:
    """Keep others out of a file until it is closed, where the system can."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(f"another process is writing {path}", "wait for it, or choose another --output") from None
    except OSError:  # some network file systems cannot
        return


def _write(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)
    stream.flush()
