"""What the arguments name, as a stream of texts: texts themselves, files, standard input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rnnx.cli.terminal import Terminal
from rnnx.data import readers
from rnnx.data.readers import Row
from rnnx.errors import DataError, UsageError

if TYPE_CHECKING:
    from rnnx.models.protocols import Classifier

ARGUMENT = "the argument"


class Faults:
    """Warns of each bad row on stderr, the first few in full, and counts them."""

    def __init__(self, terminal: Terminal, shown: int = 5) -> None:
        self.terminal, self.shown, self.count = terminal, shown, 0

    def __call__(self, what: str) -> None:
        """A row that was left out."""
        self.count += 1
        if self.count <= self.shown:
            self.terminal.warn(f"{what}; left out")

    def close(self) -> None:
        """Say how many there were, if not all were shown."""
        if self.count > self.shown:
            self.terminal.warn(f"{self.count} rows left out in all")


def rows(
    arguments: list[str] | None, terminal: Terminal, faults: Faults, text: str, label: str = "label"
) -> Iterator[Row]:
    """The texts that the arguments name; without arguments those of a pipe.

    Raises UsageError where there is nothing to read, DataError for a file that cannot be read.
    """
    if not arguments and not terminal.stdin.isatty():
        arguments = ["-"]
    if not arguments:
        raise UsageError("no text to read", 'give a text in quotes, a file, or - for standard input: "not bad at all"')
    for argument in arguments:
        path = Path(argument)
        if argument == "-":
            yield from readers.lines(terminal.stdin, "standard input", faults)
        elif _exists(path):
            if path.is_dir():
                raise DataError(f"{argument} is a folder", f"name its files: {argument.rstrip('/')}/*.txt")
            yield from readers.read(path, faults, text=text, label=label)
        elif readers.is_readable(path) and " " not in argument:
            raise DataError(
                f"{argument}: no such file",
                "check the name; a text that looks like a file name goes through -",
            )
        else:
            yield _literal(argument)


def started(found: Iterator[Row]) -> Iterator[Row]:
    """The same rows, the first of them read: a file that cannot be read is worth saying before anything else.

    Raises DataError if there is none.
    """
    first = next(found, None)
    if first is None:
        raise DataError("no text in what was given", "a text a line, or a file with a field of texts")
    return chain([first], found)


def with_words(found: Iterable[Row], model: Classifier, faults: Faults) -> Iterator[Row]:
    """Only the rows in which the model finds a token. Raises DataError for an argument without one."""
    for row in found:
        if model.tokenize(row.text):
            yield row
        elif row.where == ARGUMENT:
            raise DataError("the text has no words in it", "give at least one word")
        else:
            faults(f"{row.where}: no words in the text")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a text that can be no file name: too long, or with a NUL
        return False


def _literal(argument: str) -> Row:
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise DataError("the text is not UTF-8", "check the terminal's encoding") from None
    return Row(argument, None, ARGUMENT)
