"""What an evaluation looks like: while it runs, and in the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rnnx.cli.terminal import Terminal

if TYPE_CHECKING:
    from rnnx.evaluation import Evaluation, Record
    from rnnx.types import Standing


def measure(plan: Evaluation, records: str | None, terminal: Terminal) -> list[Record]:
    """All records of an evaluation; those that stand in the file ``records`` are not measured again."""
    from rnnx import recording

    path = Path(records) if records else None
    before = recording.known(path, plan) if path else []
    if before:
        terminal.say(f"{len(before):,} explanations are in {records} already")
    found = plan.records({(record.text, record.method) for record in before})
    progress = Progress(terminal, len(plan.texts) * len(plan.methods) - len(before))
    try:
        return [*before, *progress.follow(recording.kept(path, plan, found) if path else found)]
    except KeyboardInterrupt:
        if records:
            terminal.say(f"what was measured is in {records}; the same command goes on from there")
        raise


class Progress:
    """A live line on stderr: how many explanations of ``total`` were measured, and how long it will take."""

    def __init__(self, terminal: Terminal, total: int) -> None:
        self.terminal, self.total, self.number, self.read = terminal, total, 0, 0.0
        self.start = self.shown = time.monotonic()

    def follow(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records, each counted; where stderr is no terminal nothing is shown."""
        if not self.terminal.stderr.isatty():
            yield from records
            return
        from rnnx.models.progress import heard_by

        with heard_by(self.hear):
            for self.number, record in enumerate(records, 1):
                self.hear()
                yield record
        self.terminal.status("")

    def hear(self, texts: float = 0) -> None:
        """So many changed texts more were read."""
        self.read += texts
        now = time.monotonic()
        if now - self.shown > 0.3:
            self.shown = now
            left = (now - self.start) * (self.total - self.number) / max(1, self.number)
            ahead = f", about {_duration(left)} left" if self.number else ""
            line = f"{self.number:,} of {self.total:,} measured{ahead}; {self.read:,.0f} changed texts read"
            self.terminal.status(line[: self.terminal.columns() - 1])


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def write(
    kind: str, standings: Sequence[Standing], plan: Evaluation, stream: TextIO, terminal: Terminal, color: str
) -> None:
    """The table in the format ``kind``."""
    from rnnx.render import formats, scores

    tokens = sum(len(text.tokens) for text in plan.texts)
    count = len(plan.texts)
    mean = f"{tokens / count:.0f} token{'' if tokens == count else 's'}"
    size = f"{count:,} texts of {mean} each" if count > 1 else f"1 text of {mean}"
    title = f"{plan.model.name}: {size}; tokens are taken away by {plan.removal}"
    if kind == "text":
        console = terminal.console(color, file=stream)
        console.print(title)
        for part in scores.tables(standings, plan.metrics, console.width):
            console.print()
            for row in scores.styled(part):
                console.print(row, no_wrap=True, crop=False)
        console.print()
        for line in scores.legend(standings, plan.metrics, console.width):
            console.print(line, style="dim", soft_wrap=True)
    elif kind in ("plain", "markdown"):
        table = scores.markdown(standings, plan.metrics, title) if kind == "markdown" else None
        lines = table or scores.plain(standings, plan.metrics, title, terminal.columns())
        stream.writelines(f"{line}\n" for line in lines)
    elif kind == "json":
        settings = {name: dict(method.settings) for name, method in plan.methods.items()}
        about = {"schema": 1, "model": plan.model.name, "texts": len(plan.texts), "tokens": tokens}
        about |= {"removal": plan.removal, "seed": plan.seed, "settings": settings}
        stream.write(formats.to_json(scores.document(standings, plan.metrics, about)) + "\n")
    else:
        formats.WRITERS[kind](scores.records(standings, plan.metrics), stream)
