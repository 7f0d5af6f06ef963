"""Where results go: the format from the flag, the file's suffix or the terminal; progress on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

from rnnx.cli.options import COLORS, FORMATS, choice
from rnnx.cli.terminal import Terminal
from rnnx.errors import DataError, UsageError

SUFFIXES = {".jsonl": "jsonl", ".json": "json", ".csv": "csv", ".txt": "plain"}

T = TypeVar("T")


def pick(
    asked: str,
    output: str | None,
    terminal: Terminal,
    color: str,
    more: Mapping[str, str] | None = None,
    *,
    zipped: bool = False,
) -> str:
    """The format to write; ``more`` are those of one command alone, by suffix, which .gz follows if it is ``zipped``.

    Raises UsageError for an unknown one.
    """
    suffixes = {**SUFFIXES, **(more or {})}
    choice("--format", asked, (*FORMATS, *(more or {}).values()))
    choice("--color", color, COLORS)
    if asked != "auto":
        return asked
    if output in (None, "-"):
        return "text" if terminal.coloured(color, terminal.stdout) else "plain"
    return by_suffix(output, suffixes, zipped=zipped)


def by_suffix(output: str | None, known: Mapping[str, str], *, zipped: bool = False) -> str:
    """The format that the suffix of a file means, with that of .gz left out if it is ``zipped``. Raises UsageError."""
    path = Path(str(output))
    suffix = Path(path.stem if zipped else path).suffix.lower()
    if suffix not in known:
        raise UsageError(
            f"--output {output}: no format for this suffix", f"end in {', '.join(known)}, or say it with --format"
        )
    return known[suffix]


def ordinary(path: Path) -> bool:
    """Whether it is a file, or nothing yet; /dev/stdout and its like are none, even where they lead to one."""
    stream = path.parts[:2] in (("/", "dev"), ("/", "proc")) and path.parts[2:3] != ("shm",)
    return not stream and (path.is_file() or not path.exists())


@contextmanager
def opened(output: str | None, terminal: Terminal, force: bool) -> Iterator[TextIO]:
    """The stream to write results to.

    A file is written under another name, NAME.part, until it is whole; what was there before stays till then.
    Raises DataError if it is there already, or cannot be written.
    """
    if output in (None, "-"):
        yield terminal.stdout
        terminal.stdout.flush()
        return
    target = Path(str(output))
    special = not ordinary(target)
    if target.exists() and not force and not special:
        raise DataError(f"{output} is there already", "choose another name, or --force to replace it")
    part = target if special else target.with_name(f"{target.name}.part")
    try:
        stream = part.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise DataError(f"{output}: {error.strerror}", "choose a place that you may write to") from None
    try:
        with stream:
            yield stream
    except BaseException:
        if not special and part.stat().st_size:
            terminal.say(f"what was done so far is in {part}")
        elif not special:
            part.unlink()
        raise
    if not special:
        part.replace(target)
    terminal.say(f"wrote {output}")


def counted(items: Iterable[T], terminal: Terminal, stream: TextIO) -> Iterator[T]:
    """The items, with a live line on stderr, where that is a terminal, once it takes longer than a second.

    It counts the items, unless they go to a terminal themselves, and while one takes long the work on it.
    """
    if not terminal.stderr.isatty():
        yield from items
        return
    from rnnx.models.progress import heard_by

    start = shown = time.monotonic()
    number, work = 0, 0.0

    def show(line: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - start > 1 and now - shown > 0.2:
            shown = now
            terminal.status(line)

    def hear(texts: float) -> None:
        nonlocal work
        work += texts
        if time.monotonic() - shown > 1:
            show(f"{number:,} texts explained, {work:,.0f} changed texts read")

    with heard_by(hear):
        for number, item in enumerate(items, 1):
            if stream.isatty():
                terminal.status("")
            yield item
            if not stream.isatty():
                show(f"{number:,} texts, {number / (time.monotonic() - start):,.0f} a second")
    terminal.status("")
