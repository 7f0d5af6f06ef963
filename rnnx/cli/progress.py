"""What training looks like while it runs: a curve of the loss, a bar, and a line an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rnnx.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rnnx.training.loop import Step
    from rnnx.training.metrics import Scores
    from rnnx.training.progress import Epoch

    Show = Callable[[Step], None]
    Say = Callable[[str], None]

HEIGHT, WIDTH = 5, 60


def follow(events: Iterable[Step | Epoch], terminal: Terminal, quiet: bool) -> None:
    """Show what happens. ``quiet``, or no terminal to show it on: only a line for each epoch and dev part."""
    from rnnx.training.loop import Step

    with _display(terminal, quiet) as (show, say):
        for event in events:
            if isinstance(event, Step):
                show(event)
            else:
                for line in _lines(event):
                    say(line)


def _lines(event: Epoch) -> Iterator[str]:
    """One line that fits a terminal, or one more a dev part where there are several."""
    start, mark = f"epoch {event.number}: loss {event.loss:.3f}", "  best" if event.best else ""
    if len(event.dev) == 1:
        (scores,) = event.dev.values()
        yield f"{start}; {_scores(scores)}{mark}"
        return
    yield f"{start}{mark}"
    for path, scores in event.dev.items():
        yield f"  {_short(path, event.dev)}: {_scores(scores)}"


def _scores(s: Scores) -> str:
    return f"accuracy {s.accuracy:.1%}, F1 {s.macro_f1:.1%}, log loss {s.log_loss:.3f}, ECE {s.calibration_error:.1%}"


def _short(path: str, paths: Iterable[str]) -> str:
    """A file's name without folder and suffixes, where that says which."""
    name = path.rpartition("/")[2].partition(".")[0]
    return name if sum(name == other.rpartition("/")[2].partition(".")[0] for other in paths) == 1 else path


@contextmanager
def _display(terminal: Terminal, quiet: bool) -> Iterator[tuple[Show, Say]]:
    """On a terminal the curve and a bar with loss, accuracy and time left, and lines above them; else lines only."""
    if quiet or not terminal.stderr.isatty():
        yield lambda step: None, terminal.say
        return
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    from rnnx.render.curve import curve

    console = terminal.console(file=terminal.stderr)
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[score]}"), TimeRemainingColumn()
    bar = Progress(*columns, console=console)
    task = bar.add_task("", score="")
    losses: list[float] = []

    def picture() -> RenderableType:
        lines = curve(losses, min(WIDTH, terminal.columns() - 10), HEIGHT)
        return Group(Text("\n".join(lines), style="blue", no_wrap=True), bar)

    with Live(get_renderable=picture, console=console, transient=True) as live:

        def show(step: Step) -> None:
            losses.append(step.loss)
            score = f"loss {step.loss:.3f}  accuracy {step.accuracy:.1%}"
            done, total = (step.epoch - 1) * step.total + step.done, step.epochs * step.total
            bar.update(task, description=f"epoch {step.epoch}", completed=done, total=total, score=score)

        yield show, live.console.print
