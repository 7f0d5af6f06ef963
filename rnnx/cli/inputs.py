"""What the arguments name, as a stream of texts: texts themselves, files, standard input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, tee
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rnnx.cli.terminal import Terminal
from rnnx.data import readers
from rnnx.data.files import exists
from rnnx.data.readers import Row
from rnnx.errors import DataError, UsageError
from rnnx.types import LeftOut

if TYPE_CHECKING:
    from rnnx.models.protocols import Classifier

T = TypeVar("T")
ARGUMENT = "the argument"
AS_TEXT = "pipe it in: echo TEXT | rnnx explain -"


class Faults:
    """Warns of each bad row on stderr, the first few in full, and counts them."""

    def __init__(self, terminal: Terminal, shown: int = 5) -> None:
        self.terminal, self.shown = terminal, shown
        self.told = self.count = 0

    def __call__(self, what: LeftOut) -> None:
        """A row that was left out, or several for one reason."""
        self.told += 1
        self.count += what.rows
        if self.told <= self.shown:
            self.terminal.warn(f"{what}; left out")

    def close(self) -> None:
        """Say how many there were, if not all were shown."""
        if self.told > self.shown:
            self.terminal.warn(f"{self.count} rows left out in all")


def rows(
    arguments: list[str] | None, terminal: Terminal, faults: Faults, text: tuple[str, ...], label: str = "label"
) -> Iterator[Row]:
    """The texts that the arguments name; without arguments those of a pipe.

    Raises UsageError where there is nothing to read, DataError for a file that cannot be read.
    """
    if not arguments and not terminal.stdin.isatty():
        arguments = ["-"]
    if not arguments:
        raise UsageError("no text to read", 'give a text in quotes, a file, or - for standard input: "not bad at all"')
    sources = [_source(argument) for argument in arguments]
    if len(sources) > 1 and all(isinstance(s, Row) and " " not in s.text for s in sources):
        terminal.say(f"hint: these are {len(sources)} texts of one word each; quotes make one text of them")
    return _read(sources, terminal, faults, text, label)


def _read(
    sources: list[Row | Path | None], terminal: Terminal, faults: Faults, text: tuple[str, ...], label: str
) -> Iterator[Row]:
    for source in sources:
        if source is None:
            yield from readers.lines(terminal.stdin, "standard input", faults)
        elif isinstance(source, Path):
            yield from readers.read(source, faults, text=text, label=label)
        else:
            yield source


def _source(argument: str) -> Row | Path | None:
    """What an argument is: a text, a file, or (None) standard input. Raises DataError if it is none of them."""
    if argument == "-":
        return None
    if not argument.strip():
        raise DataError(f"the text {argument!r} is empty", "give at least one word")
    path = Path(argument)
    if not exists(path):
        if readers.looks_like_a_file(argument):
            raise DataError(f"{argument}: no such file", f"check the name; if it is a text, {AS_TEXT}")
        return _literal(argument)
    if path.is_dir():
        raise DataError(f"{argument} is a folder", f"name its files, as {path}/*.txt; if it is a text, {AS_TEXT}")
    return path


def text_fields(given: list[str] | None, model: str) -> tuple[str, ...]:
    """The fields of a table that make the text: those asked for, else the model's, else text. Raises ModelError.

    The model's own are always in its own order.
    """
    from rnnx.models import catalog

    own = catalog.fields(model) or ("text",)
    return tuple(dict.fromkeys(given)) if given and set(given) != set(own) else own


def started(found: Iterator[Row]) -> Iterator[Row]:
    """The same rows, the first of them read: a file that cannot be read is worth saying before anything else.

    Raises DataError if there is none.
    """
    first = next(found, None)
    if first is None:
        raise DataError("no text in what was given", "a text a line, or a file with a field of texts")
    return chain([first], found)


def with_words(found: Iterable[Row], model: Classifier, faults: Faults, text: tuple[str, ...]) -> Iterator[Row]:
    """Only the rows in whose ``text`` fields the model finds a token. Raises DataError for an argument without one."""
    from rnnx.models.texts import WORDLESS, tokenize

    for row in found:
        if tokenize(model, row.item, text)[1]:
            yield row
        elif row.where == ARGUMENT:
            raise DataError(f"the text {row.text!r} has no words in it", "give at least one word")
        else:
            faults(LeftOut(row.where, WORDLESS))


class Asked:
    """The items of rows, and the rows again, beside what came of them."""

    def __init__(self, rows: Iterable[Row], faults: Faults) -> None:
        self._waiting, asked = tee(rows)
        self._faults = faults
        self.items = (row.item for row in asked)

    def left_out(self, what: LeftOut) -> None:
        """Warn of it, a text by where it stands. Raises DataError for an argument."""
        if what.text is None:
            self._faults(what)
            return
        where = next(self._waiting).where
        if where == ARGUMENT:
            raise DataError(what.reason, what.detail)
        self._faults(LeftOut(where, what.reason))

    def beside(self, results: Iterable[T]) -> Iterator[tuple[Row, T]]:
        """Rows with their results, in order; those that are left out have none."""
        return ((next(self._waiting), result) for result in results)


def _literal(argument: str) -> Row:
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise DataError("the text is not UTF-8", "check the terminal's encoding") from None
    return Row(argument, None, ARGUMENT)
