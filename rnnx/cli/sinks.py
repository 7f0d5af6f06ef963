"""Where the explanations of a job go as they are made: a stream, or a file that an interruption does not lose."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnx.cli.outputs import ordinary
from rnnx.cli.terminal import Terminal
from rnnx.data import journal
from rnnx.data.journal import Journal, State
from rnnx.errors import DataError, UsageError
from rnnx.render.formats import to_json
from rnnx.render.tally import Tally
from rnnx.types import LeftOut

if TYPE_CHECKING:
    from rnnx.jobs import Chunk
    from rnnx.render.writers import Writer

    # Bytes of explanations and of errors, the row and the checksum that they go up to, and what counts them.
    Put = Callable[[bytes, bytes, int, str, Callable[[], None]], None]

STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}


@dataclass(frozen=True)
class Target:
    """What the flags say: the file, if it is one, the one of errors, and what is done with files that are there."""

    output: str | None = None
    errors: str | None = None
    force: bool = False
    resume: bool = False

    @property
    def stdout(self) -> bool:
        """Whether that is standard output."""
        return self.output in (None, "-")

    @property
    def file(self) -> Path | None:
        """The file, if it is an ordinary one: no pipe, no device."""
        path = Path(str(self.output))
        return path if not self.stdout and ordinary(path) else None

    def check(self) -> None:
        """Raise UsageError for flags that do not fit together, DataError for a file that would be lost."""
        if self.resume and self.force:
            raise UsageError("--resume goes on, --force begins again", "give one of them")
        if self.resume and self.file is None:
            raise UsageError("--resume goes on with a file", "name it with --output")
        if self.errors == "-" or (self.errors and self.file and not ordinary(Path(self.errors))):
            raise UsageError(f"--errors {self.errors} is no file", "name one; standard error has the first rows")
        named = [Path(name) for name in (self.output, self.errors) if name not in (None, "-")]
        files = [path for path in named if ordinary(path)]
        if len({path.resolve() for path in files}) < len(files):
            raise UsageError(f"--output and --errors are both {files[0]}", "write to two files")
        if self.force or self.resume:
            return
        for path in files:
            if path.is_file():
                raise DataError(f"{path} is there already", "choose another name, or --force to replace it")
        if self.file and journal.part(self.file).exists():
            raise DataError(
                f"{journal.part(self.file)} is the beginning of {self.file}",
                "--resume goes on with it, --force begins again",
            )

    def whole(self) -> bool:
        """Whether there is nothing to go on with, because all is done."""
        return self.resume and self.file is not None and self.file.exists() and not journal.part(self.file).exists()


class Sink:
    """Takes chunks in order; ``begun`` says whether something was written, ``tally`` counts all that was."""

    def __init__(self, writer: Writer, packed: Callable[[bytes], bytes], put: Put, tally: Tally, size: int = 0) -> None:
        self.writer, self.packed, self.put, self.tally, self.begun = writer, packed, put, tally, size > 0

    def take(self, chunk: Chunk) -> None:
        """Write what a window came to."""
        data = chunk.rows
        if data:
            data = (self.packed(self.writer.between) if self.begun else chunk.head) + data
        self.put(data, errors(chunk.left_out), chunk.end, chunk.digest, lambda: self.tally.merge(chunk.tally))
        self.begun = self.begun or bool(data)

    def tail(self) -> bytes:
        """The bytes of the end."""
        return self.packed(self.writer.tail(self.tally, empty=not self.begun))


def earlier(target: Target, job: Mapping[str, Any]) -> State:
    """How far an earlier run came, if it is to be gone on with. Raises DataError if that was another job."""
    return (journal.earlier(target.file, job) if target.file and target.resume else None) or State()


@contextmanager
def opened(
    target: Target,
    writer: Writer,
    packed: Callable[[bytes], bytes],
    terminal: Terminal,
    job: Mapping[str, Any],
    state: State,
) -> Iterator[Sink]:
    """The sink, from where the job stands. Raises DataError for a file that cannot be written."""
    with ExitStack() as stack:
        if target.file:
            yield from _file(target, target.file, writer, packed, terminal, job, state)
        else:
            write = _to(target, terminal, stack)
            told_to = opened_at(target.errors, stack)

            def put(data: bytes, told: bytes, rows: int, digest: str, count: Callable[[], None]) -> None:
                told_to(told)
                write(data)
                count()

            sink = Sink(writer, packed, put, Tally())
            yield sink
            write(sink.tail())


def _file(
    target: Target,
    path: Path,
    writer: Writer,
    packed: Callable[[bytes], bytes],
    terminal: Terminal,
    job: Mapping[str, Any],
    state: State,
) -> Iterator[Sink]:
    tally = Tally.of(state.more) if state.more else Tally()
    try:
        written = Journal(path, Path(target.errors) if target.errors else None, state, job, lambda: vars(tally))
    except OSError as error:
        file = path if error.filename in (None, str(journal.part(path))) else error.filename
        raise DataError(f"{file}: {error.strerror}", "choose a place that you may write to") from None
    sink = Sink(writer, packed, written.commit, tally, state.size)
    try:
        yield sink
        written.finish(sink.tail(), writer.finish)
    except BaseException:
        written.interrupt()
        if written.part.exists():
            terminal.say(f"what was done so far is in {written.part}; the same command with --resume goes on")
        raise
    terminal.say(f"wrote {path}: {tally.texts:,} texts")


def _to(target: Target, terminal: Terminal, stack: ExitStack) -> Callable[[bytes], None]:
    """What writes to standard output, a pipe or a device."""
    if not target.stdout:
        return opened_at(target.output, stack)

    def write(data: bytes) -> None:
        if data:
            terminal.status("")
            terminal.stdout.write(data.decode())
            terminal.stdout.flush()

    return write


def opened_at(name: str | None, stack: ExitStack) -> Callable[[bytes], None]:
    """What writes to a file at once; nothing, without a name."""
    if name is None:
        return lambda data: None
    try:
        # A stream that is open already goes on where it is: opened anew, it would write over what stands there.
        place = os.dup(STREAMS[name]) if name in STREAMS else name
        stream = stack.enter_context(open(place, "wb", buffering=0))  # noqa: SIM115 # the stack closes it
    except OSError as error:
        raise DataError(f"{name}: {error.strerror}", "choose a place that you may write to") from None

    def write(data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[stream.write(left) or 0 :]

    return write


def errors(left_out: Iterable[LeftOut]) -> bytes:
    """Rows that were left out, for a file of them."""
    return "".join(f"{to_json(_error(what))}\n" for what in left_out).encode()


def _error(what: LeftOut) -> dict[str, Any]:
    """A row that was left out, for a file of them."""
    file, _, place = what.where.rpartition(":")
    kind, _, number = place.rpartition(" ")
    where = {"file": file, kind or "line": int(number)} if file and number.isdigit() else {"file": what.where}
    return {**where, "reason": what.reason, "detail": what.detail, "hint": what.hint}
