"""Where results go: the format from the flag, the file's suffix or the terminal; progress on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, TypeVar

from rnnx.cli.options import choice
from rnnx.cli.terminal import Terminal
from rnnx.errors import DataError, RnnxError
from rnnx.render.formats import WRITERS

FORMATS = ("auto", "text", "plain", *WRITERS)
SUFFIXES = {".jsonl": "jsonl", ".json": "json", ".csv": "csv", ".txt": "plain"}

T = TypeVar("T")


def pick(asked: str, output: str | None, terminal: Terminal, color: str) -> str:
    """The format to write. Raises UsageError for one that does not exist."""
    choice("--format", asked, FORMATS)
    choice("--color", color, ("auto", "always", "never"))
    if asked != "auto":
        return asked
    if output is not None:
        return SUFFIXES.get(Path(output).suffix.lower(), "plain")
    return "text" if terminal.coloured(color, terminal.stdout) or terminal.stdout.isatty() else "plain"


@contextmanager
def opened(output: str | None, terminal: Terminal, force: bool) -> Iterator[TextIO]:
    """The stream to write results to. Raises DataError if the file is there already, or cannot be written."""
    if output is None:
        yield terminal.stdout
        terminal.stdout.flush()
        return
    try:
        stream = open(output, "w" if force else "x", encoding="utf-8", newline="")  # noqa: SIM115 (closed below)
    except FileExistsError:
        raise DataError(f"{output} is there already", "choose another name, or --force to overwrite it") from None
    except OSError as error:
        raise DataError(f"{output}: {error.strerror}", "choose a place that you may write to") from None
    try:
        with stream:
            yield stream
    except RnnxError:
        if not Path(output).stat().st_size:  # nothing is lost, and the next try finds no file in its way
            Path(output).unlink()
        raise
    terminal.say(f"wrote {output}")


def counted(items: Iterable[T], terminal: Terminal, stream: TextIO) -> Iterator[T]:
    """The items, with a live count on stderr once it takes longer than a second; only where stderr is a
    terminal and the results do not go to one.
    """
    if not terminal.stderr.isatty() or stream.isatty():
        yield from items
        return
    start, shown = time.monotonic(), 0.0
    number = 0
    for number, item in enumerate(items, 1):
        yield item
        now = time.monotonic() - start
        if now > 1 and now - shown > 0.2:
            shown = now
            terminal.stderr.write(f"\r{number:,} texts, {number / now:,.0f} a second ")
            terminal.stderr.flush()
    if shown:
        terminal.stderr.write(f"\r{number:,} texts in {time.monotonic() - start:.1f} s        \n")
