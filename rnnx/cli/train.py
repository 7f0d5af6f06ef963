"""``rnnx train``: a config to a model's folder, with a live display."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from rnnx.cli import inputs, options
from rnnx.cli.terminal import Terminal
from rnnx.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rnnx.training.loop import Epoch, Step

    Show = Callable[[Step], None]
    Say = Callable[[str], None]


def train(
    context: typer.Context,
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, such as configs/quickstart.yaml.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FOLDER", help="Where the model goes.")
    ] = None,
    set_: options.Sets = None,
    seed: options.Seed = None,
    force: options.Force = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only a line an epoch.")] = False,
    debug: options.Debug = False,
) -> None:
    """Train a classifier and write its folder: weights, vocabulary, merged config, metrics.

    \b
    Examples:
      rnnx train configs/quickstart.yaml
      rnnx train configs/quickstart.yaml --set training.epochs=3 --output runs/short
    """
    terminal: Terminal = context.obj
    from rnnx.config import load, parse

    overrides = {name: parse(name, text) for name, text in options.pairs(set_).items()}
    given = {"output": output, "seed": seed}
    settings = load(config, {**overrides, **{name: value for name, value in given.items() if value is not None}})
    terminal.say("loading torch and the data \u2026")
    try:
        from rnnx.training import run
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise ConfigError("training needs torch, which is not installed", 'pip install "torch>=2.4,<2.14"') from None

    folder = run.prepare(settings, force)
    faults = inputs.Faults(terminal)
    with _display(terminal, quiet) as (show, say):
        _follow(run.train(settings, folder, faults), show, say)
    faults.close()
    terminal.say(f"wrote {folder}")
    name = quote(str(folder) if "/" in str(folder) else f"./{folder}")  # which cannot be a shipped model's
    terminal.say(f'try: rnnx explain --model {name} "not bad at all"')


def _follow(events: Iterable[Step | Epoch], show: Show, say: Say) -> None:
    from rnnx.training.loop import Step

    for event in events:
        if isinstance(event, Step):
            show(event)
        else:
            scores = ", ".join(f"{_short(path, event.dev)} {accuracy:.1%}" for path, (accuracy, _) in event.dev.items())
            mark = "  (best so far)" if event.best else ""
            say(f"epoch {event.number}: loss {event.loss:.3f}; dev accuracy: {scores}{mark}")


def _short(path: str, paths: Iterable[str]) -> str:
    """A file's name without folder and suffixes, where that says which."""
    name = path.rpartition("/")[2].partition(".")[0]
    return name if sum(name == other.rpartition("/")[2].partition(".")[0] for other in paths) == 1 else path


@contextmanager
def _display(terminal: Terminal, quiet: bool) -> Iterator[tuple[Show, Say]]:
    """Where stderr is a terminal a bar with loss, accuracy and time left, and lines above it; else lines only."""
    if quiet or not terminal.stderr.isatty():
        yield lambda step: None, terminal.say
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[score]}"), TimeRemainingColumn()
    with Progress(*columns, console=terminal.console(file=terminal.stderr), transient=True) as progress:
        task = progress.add_task("", score="")

        def show(step: Step) -> None:
            score = f"loss {step.loss:.3f}  accuracy {step.accuracy:.1%}"
            done, total = (step.epoch - 1) * step.total + step.done, step.epochs * step.total
            progress.update(task, description=f"epoch {step.epoch}", completed=done, total=total, score=score)

        yield show, progress.console.print
