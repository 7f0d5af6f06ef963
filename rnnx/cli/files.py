"""What ``rnnx explain`` is asked to read, to show and to write, put together to a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnx.cli import inputs, jobs, outputs
from rnnx.cli.attending import Again
from rnnx.cli.options import COLORS, EXPLAINED, choice
from rnnx.cli.sinks import Target
from rnnx.cli.terminal import Terminal
from rnnx.data import readers
from rnnx.data.rows import Ask, Row
from rnnx.errors import DataError, UsageError
from rnnx.render import palette
from rnnx.render.tally import attended
from rnnx.render.writers import SUFFIXES, SUMMARIZED, Style
from rnnx.types import LeftOut

if TYPE_CHECKING:
    from rnnx.data.readers import Found


@dataclass(frozen=True)
class Given:
    """What is read: the arguments, how their rows are understood, and at most how many; or saved explanations."""

    arguments: list[str] | None
    text: tuple[str, ...] = ()
    id: str | None = None
    keep: tuple[str, ...] = ()
    kind: str | None = None
    saved: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True)
class Shown:
    """How it looks."""

    format: str
    color: str
    background: str

    def style(
        self, target: Target, terminal: Terminal, keep: tuple[str, ...], *, corpus: bool, summary: bool = True
    ) -> Style:
        """The format, from the flag, the file's suffix, or where it goes; a ``corpus`` goes down a pipe as JSON lines.

        Raises UsageError for a format that does not exist, or that cannot be written there.
        """
        choice("--format", self.format, EXPLAINED)
        choice("--color", self.color, COLORS)
        kind = self.format
        if kind == "auto" and target.stdout:
            coloured = terminal.coloured(self.color, terminal.stdout)
            kind = "text" if coloured else "jsonl" if corpus and not terminal.stdout.isatty() else "plain"
        elif kind == "auto":
            kind = outputs.by_suffix(target.output, SUFFIXES, zipped=zipped(target))
        if kind == "parquet" and (target.file is None or zipped(target)):
            raise UsageError("Parquet goes into a file, and is packed already", "name it with --output FILE.parquet")
        looks = terminal.looks(self.color, terminal.stdout) if kind == "text" else {}
        screen = target.stdout and terminal.stdout.isatty()
        background = palette.theme(self.background, terminal.environ) if kind == "text" else "unknown"
        return Style(kind, keep, screen, summary, looks, background)


@dataclass(frozen=True)
class Work:
    """How it is done."""

    target: Target
    workers: int
    strict: bool


def zipped(target: Target) -> bool:
    """Whether the name of the file says so."""
    return not target.stdout and Path(str(target.output)).suffix.lower() == ".gz"


def explain(
    given: Given,
    shown: Shown,
    work: Work,
    terminal: Terminal,
    name: str | None,
    asked: Mapping[str, Any],
    again: Again,
    where: Mapping[str, str | None],
) -> None:
    """Explain what is given; ``asked`` is for ``explaining.explainer``, ``where`` names engine and device."""
    kind = inputs.suffix(given.kind)
    sources = inputs.sources(given.arguments, terminal)
    corpus = any(not isinstance(source, Row) for source in sources)
    summary = corpus or (again.attention and len(sources) > 1)
    style = shown.style(work.target, terminal, given.keep, corpus=corpus, summary=summary)
    if not needed(work.target, sources, terminal):
        return
    from rnnx.models import catalog

    name = name or catalog.DEFAULT
    fields = inputs.text_fields(list(given.text), name)
    faults, watch = inputs.Faults(terminal, strict=work.strict), jobs.Watch()
    ask = Ask(fields, id=given.id, keep=given.keep, guess=not given.text, say=terminal.say, meter=watch.read)
    entries = inputs.limited(inputs.started(inputs.read(sources, terminal, ask, kind), faults), given.limit)
    from rnnx.jobs import Explaining, Plan
    from rnnx.models import batching

    batching.hold_memory()
    plan = Plan(name, asked, style, fields, **where, zipped=zipped(work.target), by=again.by, check=again.check)
    tally = jobs.run(
        Explaining(plan, faults),
        entries,
        work.target,
        terminal,
        faults=faults,
        watch=watch,
        workers=work.workers,
    )
    more = tally.texts > 1 or style.format in ("csv", "csv-wide", "tsv")  # which have no room for the figures of a text
    if again.attention and more and style.format not in SUMMARIZED:
        for line in attended(tally):
            terminal.say(line)


def show(given: Given, shown: Shown, work: Work, terminal: Terminal, asked: Mapping[str, Any], again: Again) -> None:
    """Show saved explanations."""
    if given.arguments:
        raise UsageError(
            "--from shows what was explained before; texts do not go with it", "repeat --from for several files"
        )
    if again.attention:
        raise UsageError("--check and --by unit ask the model, which --from does without", "leave one of them out")
    if asked:
        listed = ", ".join(asked)
        raise UsageError(f"--from shows what was explained before; {listed} is settled there", "leave it out")
    files = [None if name == "-" else Path(name) for name in given.saved]
    if not needed(work.target, files, terminal):
        return
    faults, watch = inputs.Faults(terminal, strict=work.strict), jobs.Watch()
    rows = chain.from_iterable(_saved(file, terminal, watch) for file in files)
    from rnnx import saved

    none = DataError("no saved explanation in what was given", saved.MAKE)
    found, ahead = tee(inputs.begun(rows, faults, saved.wrong, none))
    first = next(entry for entry in ahead if not isinstance(entry, LeftOut) and not saved.wrong(entry))
    del ahead  # which would keep all that is read
    style = shown.style(work.target, terminal, given.keep or saved.columns(first), corpus=True)
    job = saved.Showing(style, zipped=zipped(work.target), by=again.by, like=first)
    entries = inputs.limited(found, given.limit)
    jobs.run(job, entries, work.target, terminal, faults=faults, watch=watch, workers=work.workers)


def _saved(file: Path | None, terminal: Terminal, watch: jobs.Watch) -> Iterator[Found | LeftOut]:
    if file is None:
        yield from readers.objects(terminal.stdin, "standard input")
    elif readers.suffix(file) in (".jsonl", ".ndjson", ".json"):
        array = readers.suffix(file) == ".json"
        yield from readers.objects(readers.text_lines(file, watch.read), str(file), array=array)
    else:
        raise DataError(f"{file} holds no saved explanations", "they are in .jsonl and .json files, also .gz")


def needed(target: Target, sources: list[Any], terminal: Terminal) -> bool:
    """Whether there is something to do. Raises UsageError, DataError for files that would be lost."""
    apart((target.output, target.errors), sources)
    return unfinished(target, terminal)


def unfinished(target: Target, terminal: Terminal) -> bool:
    """Whether not all is done already. Raises UsageError, DataError for files that would be lost."""
    target.check()
    if target.whole():
        terminal.say(f"{target.output} is whole already; --force makes it again")
    return not target.whole()


def apart(names: Iterable[str | None], sources: list[Any]) -> None:
    """Raise UsageError if a file that is read would be written."""
    for name in names:
        if name is not None and any(isinstance(source, Path) and _same(source, Path(name)) for source in sources):
            raise UsageError(f"{name} would be read and written", "choose another name")


def _same(a: Path, b: Path) -> bool:
    return a.exists() and b.exists() and a.samefile(b)
