"""Work through texts, and say on standard error how it goes and what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnnx.cli import inputs, sinks
from rnnx.cli.sinks import Target
from rnnx.cli.terminal import Terminal
from rnnx.data.rows import ARGUMENT
from rnnx.errors import DataError
from rnnx.render import tally
from rnnx.types import LeftOut

if TYPE_CHECKING:
    from rnnx.data.journal import State
    from rnnx.jobs import Chunk, Job, Window


@dataclass
class Watch:
    """Which share of the input was read, and up to which row when."""

    share: float = 0.0
    shares: dict[int, float] = field(default_factory=dict)

    def read(self, share: float) -> None:
        """Hear which share was read."""
        self.share = share

    def marked(self, windows: Iterable[Window]) -> Iterator[Window]:
        """The windows, each noted with how much was read for it."""
        for window in windows:
            self.shares[window.end] = self.share
            yield window


def run(
    job: Job,
    entries: Iterable[object],
    target: Target,
    terminal: Terminal,
    *,
    faults: inputs.Faults,
    watch: Watch,
    workers: int = 1,
) -> tally.Tally:
    """Do the job, write what comes of it, and count it.

    Raises DataError for a bad argument, and what ``faults`` raises of a bad row.
    """
    from rnnx import jobs

    described = job.describe() if target.file else {}
    state = sinks.earlier(target, described)
    left = watch.marked(_behind(jobs.windows(entries, job.most), state))
    with sinks.opened(target, job.writer, job.packed, terminal, described, state) as sink:
        if state.rows:
            terminal.say(f"going on behind row {state.rows:,}")
            faults.earlier(sum(sink.tally.left_out.values()))
        for chunk in shown(jobs.computed(job, left, workers), watch, terminal, sink.tally, quiet=target.stdout):
            for what in chunk.left_out:
                tell(what, faults)
            sink.take(chunk)
    faults.close(tally.reasons(sink.tally), target.errors)
    return sink.tally


def tell(what: LeftOut, faults: inputs.Faults) -> None:
    """Warn of a row that is left out; raise DataError for an argument."""
    if what.where == ARGUMENT:
        raise DataError(what.reason, what.hint)
    faults(what)


def _behind(windows: Iterator[Window], state: State) -> Iterator[Window]:
    """The windows after those that are done. Raises DataError at once if the input was another one then."""
    from rnnx.jobs import Window

    at = Window(0, (), "")
    while at.end < state.rows:
        at = next(windows, Window(state.rows, (), "it has ended"))
    if (at.end, at.digest) != (state.rows, state.digest):
        raise DataError(
            f"the input is not what it was: its first {state.rows:,} rows differ", "begin again with --force"
        )
    return windows


def shown(
    chunks: Iterable[Chunk], watch: Watch, terminal: Terminal, counted: tally.Tally, *, quiet: bool
) -> Iterator[Chunk]:
    """The chunks, with a live line on stderr, where that is a terminal, once it takes longer than a second.

    It counts texts, unless they go to a terminal themselves (``quiet``), and while one takes long the work on it.
    """
    if not terminal.stderr.isatty():
        yield from chunks
        return
    from rnnx.models.progress import heard_by

    pause = _Pause()
    quiet = quiet and terminal.stdout.isatty()
    work = 0.0

    def hear(texts: float) -> None:
        nonlocal work
        work += texts
        if pause.over(1.0):
            terminal.status(f"{counted.texts:,} texts explained, {work:,.0f} changed texts read")

    begun: tuple[float, float, int] | None = None  # when the first were done, which share that was, and how many texts
    with heard_by(hear):
        for chunk in chunks:
            yield chunk
            now = time.monotonic(), watch.shares.pop(chunk.end, 0.0), counted.texts
            begun = begun or now
            if not quiet and pause.over(0.2):
                terminal.status(_pace(now, begun))
    terminal.status("")


def _pace(now: tuple[float, float, int], begun: tuple[float, float, int]) -> str:
    """How many texts, how fast, and how long it may still take."""
    spent, share, texts = (after - before for after, before in zip(now, begun, strict=True))
    line = f"{now[2]:,} texts, {texts / (spent or 1.0):,.0f} a second"
    if share <= 0:
        return line
    return f"{line}, {now[1]:.0%}, {_duration(spent * (1 - now[1]) / share)} left"


def _duration(seconds: float) -> str:
    """About so long."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class _Pause:
    """Keeps what is shown apart, and silent for the first second."""

    def __init__(self) -> None:
        self.start = self.shown = time.monotonic()

    def over(self, seconds: float) -> bool:
        """Whether so long ago something was shown."""
        now = time.monotonic()
        if now - self.start < 1 or now - self.shown < seconds:
            return False
        self.shown = now
        return True
