"""What the arguments name, as a stream of texts: texts themselves, files, standard input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain, tee
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rnnx.cli.options import INPUTS, choice
from rnnx.cli.terminal import Terminal
from rnnx.data import readers
from rnnx.data.files import exists
from rnnx.data.rows import ARGUMENT, Ask, Entry, Fault, Row, told
from rnnx.errors import DataError, UsageError
from rnnx.types import LeftOut

if TYPE_CHECKING:
    from rnnx.models.protocols import Classifier

T = TypeVar("T")
HOPELESS = 10_000  # rows, and none of them good
AS_TEXT = "pipe it in, and give - for it"


class Faults:
    """Warns of each bad row on stderr, the first few in full, and counts them; if ``strict`` the first is an error."""

    def __init__(self, terminal: Terminal, *, strict: bool = False, shown: int = 5) -> None:
        self.terminal, self.strict, self.shown = terminal, strict, shown
        self.told = self.count = 0

    def __call__(self, what: LeftOut) -> None:
        """A row that was left out, or several for one reason. Raises DataError if ``strict``."""
        if self.strict:
            raise DataError(str(what), what.hint or "mend it, or leave --strict out")
        self.told += 1
        self.count += what.rows
        if self.told <= self.shown:
            self.terminal.warn(f"{what}; left out")

    def earlier(self, rows: int) -> None:
        """So many were left out before this process began."""
        self.told, self.count = self.told + rows, self.count + rows
        self.shown += rows

    def close(self, reasons: str = "", file: str | None = None) -> None:
        """Say how many there were, if not all were shown, and why; and which ``file`` has them all."""
        if self.told > self.shown or (self.told and file):
            why = f": {reasons}" if reasons else ""
            rows = "row" if self.count == 1 else "rows"
            self.terminal.warn(f"{self.count:,} {rows} left out in all{why}" + (f"; see {file}" if file else ""))


def entries(arguments: list[str] | None, terminal: Terminal, ask: Ask, kind: str | None = None) -> Iterator[Entry]:
    """What the arguments name comes to, text by text; without arguments a pipe does.

    ``kind`` is the suffix that says how files and standard input are read, if theirs does not. Raises UsageError where
    there is nothing to read, DataError for a file that cannot be read.
    """
    return read(sources(arguments, terminal), terminal, ask, kind)


def rows(
    arguments: list[str] | None, terminal: Terminal, ask: Ask, faults: Fault, kind: str | None = None
) -> Iterator[Row]:
    """The good ones of the ``entries``, the first of them read; ``faults`` hears of the others."""
    return told(started(entries(arguments, terminal, ask, kind), faults), faults)


def suffix(kind: str | None) -> str | None:
    """The suffix that --input-format stands for. Raises UsageError for a kind that is none."""
    return None if kind is None else "." + choice("--input-format", kind, INPUTS)


def limited(found: Iterable[T], most: int | None) -> Iterator[T]:
    """The first entries, as many as there may be texts; those that are left out do not count."""
    left = most
    for entry in found:
        yield entry
        if left is not None and not isinstance(entry, LeftOut):
            left -= 1
            if not left:
                return


def sources(arguments: list[str] | None, terminal: Terminal) -> list[Row | Path | None]:
    """What the arguments are: texts, files, or (None) standard input. Raises UsageError, DataError."""
    if not arguments and not terminal.stdin.isatty():
        arguments = ["-"]
    if not arguments:
        raise UsageError("no text to read", 'give a text in quotes, a file, or - for standard input: "not bad at all"')
    found = [source for argument in arguments for source in _sources(argument)]
    if len(found) > 1 and all(isinstance(s, Row) and " " not in s.text for s in found):
        terminal.say(f"hint: these are {len(found)} texts of one word each; quotes make one text of them")
    return found


def read(found: list[Row | Path | None], terminal: Terminal, ask: Ask, kind: str | None = None) -> Iterator[Entry]:
    """What the texts of sources come to, one after the other. Raises DataError for a file that cannot be read."""
    sizes = [source.stat().st_size if isinstance(source, Path) else 0 for source in found]
    for i, source in enumerate(found):
        if source is None:
            if kind == ".parquet":
                raise UsageError("Parquet is not read from standard input", "name the file")
            yield from readers.parsed(terminal.stdin, "standard input", ask, kind or ".txt")
        elif isinstance(source, Path):
            yield from readers.entries(source, replace(ask, meter=_share(ask.meter, sizes, i)), kind)
        else:
            yield source


def _share(meter: Callable[[float], None] | None, sizes: list[int], i: int) -> Callable[[float], None] | None:
    """A meter for one of several files, which makes of its share theirs."""
    if meter is None or not sum(sizes):
        return None
    return lambda share: meter((sum(sizes[:i]) + share * sizes[i]) / sum(sizes))


def _sources(argument: str) -> list[Row | Path | None]:
    """What an argument is: a text, files, or (None) standard input. Raises DataError if it is none of them."""
    if argument == "-":
        return [None]
    if not argument.strip():
        raise DataError(f"the text {argument!r} is empty", "give at least one word")
    path = Path(argument)
    if exists(path):
        return list(_files(path)) if path.is_dir() else [path]
    if found := _matches(argument):
        return list(found)
    if readers.looks_like_a_file(argument):
        raise DataError(f"{argument}: no such file", f"check the name; if it is a text, {AS_TEXT}")
    return [_literal(argument)]


def _files(folder: Path) -> list[Path]:
    """The data files of a folder and of those in it, by name. Raises DataError where there is none."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix and readers.suffix(path) in readers.FORMATS and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        known = " ".join(sorted(readers.FORMATS))
        raise DataError(f"{folder} is a folder without data files", f"they end in {known}; if it is a text, {AS_TEXT}")
    return found


def _matches(argument: str) -> list[Path]:
    """The files that a pattern means which the shell has left alone."""
    path, found = Path(argument), list[Path]()
    if any(sign in argument for sign in "*?["):
        with suppress(OSError, ValueError):  # it is no pattern
            found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    shown = path.name.startswith(".")  # as shells do it
    return [file for file in found if file.is_file() and (shown or not file.name.startswith("."))]


def text_fields(given: list[str] | None, model: str) -> tuple[str, ...]:
    """The fields of a table that make the text: those asked for, else the model's, else text. Raises ModelError.

    The model's own are always in its own order.
    """
    from rnnx.models import catalog

    own = catalog.fields(model) or ("text",)
    return tuple(dict.fromkeys(given)) if given and set(given) != set(own) else own


def started(found: Iterator[Entry], faults: Fault) -> Iterator[Entry]:
    """The same entries, the first text of them read: a file that cannot be read is worth saying before anything else.

    Raises DataError if there is none, or none for very long; ``faults`` hears why.
    """
    error = DataError("no text in what was given", "a text a line, or a file with a field of texts")
    return begun(found, faults, lambda entry: None if isinstance(entry, Row) else entry, error)


def begun(found: Iterator[T], faults: Fault, wrong: Callable[[T], LeftOut | None], none: DataError) -> Iterator[T]:
    """The same, the first one read with which nothing is ``wrong``. Raises ``none`` as ``started`` does."""
    begin, bad = list[T](), list[LeftOut]()
    for entry in found:
        begin.append(entry)
        fault = wrong(entry)
        if fault is None:
            return chain(begin, found)
        bad.append(fault)
        if len(bad) == HOPELESS:
            raise DataError(f"none of the first {HOPELESS:,} rows can be used; {bad[0]}", "look at the first of them")
    for fault in bad:
        faults(fault)
    raise none


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
