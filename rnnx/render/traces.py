"""A trace as a table for the terminal: a row a token, a number and a bar for each measured quantity."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rnnx import registry
from rnnx.render.summary import largest, opening
from rnnx.render.text import number, visible
from rnnx.types import Explanation, Trace

TOKEN, NUMBER, BAR = 16, 10, 12  # columns at most for a token, for a number with its blank, at most for a bar
FADED = "bright_black"
_EIGHTHS = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"


def table(explanation: Explanation, trace: Trace, width: int) -> RenderableType:
    """The table and below it what its columns mean.

    A quantity that is the same for all tokens has no bars. In a narrow terminal the bars go first, then such
    quantities, then columns from the left; what is left out is named.
    """
    token = min(
        TOKEN, max(cell_len(visible(t.text)) for t in explanation.tokens), max(6, width - NUMBER * len(trace.columns))
    )
    names = list(trace.columns)
    same = {name for name in names if len(set(trace.columns[name])) == 1 and len(explanation.tokens) > 1}
    while len(names) > 1 and token + NUMBER * len(names) > width:
        names.remove(next((name for name in names if name in same), names[0]))
    varying = [name for name in names if name not in same]
    room = min(BAR, (width - token - NUMBER * len(names)) // max(1, len(varying)) - 1)

    lines = [Text(" " * token + "".join(_headed(name, room if name in varying else 0) for name in names), "bold")]
    for i, t in enumerate(explanation.tokens):
        if field := opening(explanation.tokens, i):
            lines.append(Text(_cut(field.rstrip(), width).rstrip(), FADED))
        line = Text(_cut(visible(t.text), token))
        for name in names:
            line.append(f"{number(trace.columns[name][i]):>{NUMBER}}")
            if name in varying and room > 0:
                share = abs(trace.columns[name][i]) / largest(trace.columns[name])
                line.append(" " + bar(share, room), "blue")
        lines.append(line)
    return Group(*lines, Text(), _meanings(trace, names, room))


def _headed(name: str, bar: int) -> str:
    return f"{name:>{NUMBER}}" + " " * (bar + 1 if bar > 0 else 0)


def _cut(token: str, width: int) -> str:
    """Exactly ``width`` columns: filled up with blanks, or cut."""
    return set_cell_size(token, width) if cell_len(token) <= width else set_cell_size(token, width - 1) + "\u2026"


def bar(share: float, width: int) -> str:
    """A bar of eighths of a column, filled up with blanks."""
    full, rest = divmod(round(share * width * 8), 8)
    return (_EIGHTHS[8] * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def _meanings(trace: Trace, names: list[str], bar: int) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for name, meaning in registry.view(trace.view).columns.items():
        if name in names:
            grid.add_row(name, Text(meaning, FADED))
    if bar > 0:
        grid.add_row("bars", Text("the size, relative to the largest of their column", FADED))
    hidden = [name for name in trace.columns if name not in names]
    if hidden:
        grid.add_row("\u2026", Text(f"no room for {', '.join(hidden)}", FADED))
    return grid
