"""What several explanations come to together: the means of the tests of attention, and of its units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from rich.console import Console, Group, RenderableType
from rich.text import Text

from rnnx.render import checks, palette, picture, units
from rnnx.render.summary import method_line
from rnnx.types import Explanation, Units


def show(console: Console, explanations: Sequence[Explanation], background: str = "unknown") -> None:
    """For the terminal."""
    parts: list[RenderableType] = []
    if checks.report(explanations[0]):
        parts += [checks.summary(explanations), Text()]
    if isinstance(explanations[0].evidence, Units):
        colours = console.color_system
        bar = partial(palette.bar, signed=True, background=background, colours=colours) if colours else None
        parts += [Text(_title(explanations), "bold"), Text(), units.table(units.units(explanations), bar), Text()]
    picture.lay(console, Group(*parts, Text(method_line(explanations[0]), picture.FADED)))


def lines(explanations: Sequence[Explanation]) -> Iterator[str]:
    """As plain text."""
    if checks.report(explanations[0]):
        yield from checks.summary_lines(explanations)
    if isinstance(explanations[0].evidence, Units):
        yield _title(explanations)
        yield from units.plain(units.units(explanations))
    yield f"method: {method_line(explanations[0])}"


def _title(explanations: Sequence[Explanation]) -> str:
    return f"{checks.counted(explanations)}: what each unit of the attended sum gives to the target's logit, means"
