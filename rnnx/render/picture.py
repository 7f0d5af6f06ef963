"""An explanation as a picture for the terminal: the text itself, each token coloured by its score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from rnnx import registry
from rnnx.render import palette
from rnnx.render.summary import largest, method_line, notes, strongest
from rnnx.render.text import number, visible
from rnnx.types import Attribution, Explanation, Prediction, Trace

WIDEST = 100  # columns: longer lines of running text are hard to read
BAR = 20
LABEL, WIDE_LABEL, NUMBER = 10, 16, 10  # columns of a trace: a token, a token with room, a number
FADED = "bright_black"
_SIGNED_SCALE, _UNSIGNED_SCALE = (-1.0, -0.6, -0.3, -0.1, 0.1, 0.3, 0.6, 1.0), (0.1, 0.3, 0.6, 1.0)
Look = Callable[[float], Style]  # of a token, from its share of the largest score
_EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"


def show(console: Console, explanation: Explanation, background: str = "unknown") -> None:
    """Print one explanation; ``background`` is the terminal's: "dark", "light" or "unknown"."""
    evidence = explanation.evidence
    if isinstance(evidence, Trace):
        parts: list[RenderableType] = [trace(explanation, evidence, min(console.width, WIDEST) - 4)]
    else:
        basic = console.color_system == "standard"
        look = partial(palette.style, signed=evidence.signed, background=background, basic=basic)
        parts = [running(explanation, evidence, look), "", key(explanation, evidence, look)]
    foot = Text("\n".join([method_line(explanation), *notes(explanation)]), FADED)
    group = Group(headline(explanation.prediction, explanation.model, console.width), "", *parts, "", foot)
    console.print(Padding(group, (0, 2)), width=min(console.width, WIDEST))


def headline(prediction: Prediction, model: str, width: int) -> RenderableType:
    """Label, probability, a bar, the runner-up, and at the right the model."""
    line = Text().append(visible(prediction.label), "bold").append(f" {prediction.probability:.1%}  ")
    bar = BAR if width >= 60 else BAR // 4
    filled = round(prediction.probability * bar)
    line.append("\u2501" * filled).append("\u2501" * (bar - filled), FADED)
    others = [(p, label) for label, p in prediction.probabilities.items() if label != prediction.label]
    if others:
        line.append(f"  {visible(max(others)[1])} {max(others)[0]:.1%}")
    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_row(line, Text(visible(model), FADED))
    return grid


def running(explanation: Explanation, evidence: Attribution, look: Look) -> Text:
    """The text as it was written, tokens in their colours."""
    top = largest(evidence.scores)
    body, at = Text(overflow="fold"), 0
    for token, score in zip(explanation.tokens, evidence.scores, strict=True):
        body.append(visible(explanation.text[at : token.start]))
        body.append(visible(token.text), look(score / top))
        at = token.end
    return body.append(visible(explanation.text[at:]))


def key(explanation: Explanation, evidence: Attribution, look: Look) -> RenderableType:
    """The scale of the colours, and the tokens with the largest scores and their values."""
    scale = Text()
    for share in _SIGNED_SCALE if evidence.signed else _UNSIGNED_SCALE:
        scale.append(f" {share:+.1f} " if evidence.signed else f" {share:.1f} ", look(share))
    scale.append(f"  1.0 is {number(largest(evidence.scores))}", FADED)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("scale", scale)
    for name, entries in strongest(explanation, evidence):
        listed = " \u00b7 ".join(f"{token}\u00a0{score}" for token, score in entries)
        label = Text().append(name, look(-1.0 if name == "against" else 1.0))
        grid.add_row(label, Text(listed or "nothing", overflow="fold"))
    return grid


def trace(explanation: Explanation, evidence: Trace, width: int) -> RenderableType:
    """A row a token: each measured quantity as a number and a bar, and below what the columns mean.

    In a narrow terminal the bars go first, then the columns from the left.
    """
    columns = dict(list(evidence.columns.items())[-max(1, (width - LABEL) // NUMBER) :])
    label = LABEL if width < LABEL + NUMBER * len(columns) + 10 else WIDE_LABEL
    bar = max(0, min(12, (width - label - NUMBER * len(columns)) // len(columns) - 1))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", width=label - 1, no_wrap=True, overflow="ellipsis")
    for name in columns:
        table.add_column(f"{name:>{NUMBER - 1}}", no_wrap=True)
    tops = {name: largest(values) if len(set(values)) > 1 else float("inf") for name, values in columns.items()}
    for i, token in enumerate(explanation.tokens):
        cells = (_cell(values[i], values[i] / tops[name], bar) for name, values in columns.items())
        table.add_row(Text(visible(token.text)), *cells)
    return Group(table, "", *_meanings(evidence))


def _cell(value: float, share: float, width: int) -> Text:
    """A number, and a bar of eighths of a column."""
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    bar = _EIGHTHS[8] * full + (_EIGHTHS[rest] if rest else "")
    return Text(f"{number(value):>{NUMBER - 1}}").append(f" {bar}" if bar else "", "blue")


def _meanings(evidence: Trace) -> Iterator[RenderableType]:
    grid = Table.grid(padding=(0, 2))
    for name, meaning in registry.view(evidence.view).columns.items():
        if name in evidence.columns:
            grid.add_row(name, Text(meaning, FADED))
    yield grid
