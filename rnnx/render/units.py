"""Which units of the attended sum the output layer draws on: of one text, or on average over several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import NamedTuple

from rich.console import Group
from rich.style import Style
from rich.table import Table
from rich.text import Text

from rnnx.render.summary import largest, named
from rnnx.render.text import number, percent, signed
from rnnx.render.traces import bar
from rnnx.types import Explanation, Units

MOST, WORDS, BAR = 10, 4, 12  # units shown, words of a unit, columns of a bar
FADED = "bright_black"

Look = Callable[[float], Style]


class Unit(NamedTuple):
    """Its number, what it gives to the target's logit, the same without regard to sign, the size of its value, and its
    words.
    """

    number: int
    share: float
    moved: float
    size: float
    words: str


def units(explanations: Sequence[Explanation]) -> list[Unit]:
    """The means over the texts, the units that give most first. Words are those that most often give a unit most."""
    found = [e.evidence for e in explanations if isinstance(e.evidence, Units)]
    most = 1 if len(found) == 1 else WORDS
    every = []
    for j, shares in enumerate(zip(*(each.shares for each in found), strict=True)):
        moved, size = fmean(map(abs, shares)), fmean(abs(each.values[j]) for each in found)
        every.append(Unit(j, fmean(shares), moved, size, ""))
    every.sort(key=lambda unit: -unit.moved)
    shown = [unit._replace(words=_words(explanations, unit.number, most)) for unit in every[:MOST]]
    return shown + every[MOST:]


def _words(explanations: Sequence[Explanation], unit: int, most: int) -> str:
    counts: Counter[str] = Counter()
    for e in explanations:
        if isinstance(e.evidence, Units):
            counts[e.tokens[e.evidence.tokens[unit]].text.lower()] += 1
    return ", ".join(named(word) for word, _ in counts.most_common(most))


def table(found: list[Unit], colour: Look | None) -> Group:
    """The units that give most, with bars, and how much of all that is."""
    top = largest(tuple(unit.share for unit in found[:MOST]))
    grid = Table.grid(padding=(0, 2))
    for justify in ("right", "left", "right", "right"):
        grid.add_column(justify=justify, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(*(Text(name, "bold") for name in ("unit", "", "gives", "size", "most from")))
    for unit in found[:MOST]:
        length = Text(bar(abs(unit.share) / top, BAR), colour(unit.share / top) if colour else "")
        grid.add_row(str(unit.number), length, signed(unit.share), number(unit.size), unit.words)
    return Group(grid, Text(), Text(whole(found), FADED))


def plain(found: list[Unit]) -> Iterator[str]:
    """A unit a line, its columns separated by tabs."""
    yield "\t".join(["unit", "gives", "size", "most from"])
    for unit in found[:MOST]:
        yield "\t".join([str(unit.number), signed(unit.share), number(unit.size), unit.words])
    yield whole(found)


def whole(found: list[Unit]) -> str:
    """What the shown units are of all."""
    every, shown = (sum(unit.moved for unit in part) for part in (found, found[:MOST]))
    total = signed(sum(unit.share for unit in found))
    count = min(MOST, len(found))
    share = percent(shown / every) if every else "0%"
    return f"{count} of {len(found)} units make {share} of what is given; all together give {total} to the logit"
