"""Which units of the attended sum the output layer draws on: of one text, or on average over several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from rnnx.render.summary import largest, named
from rnnx.render.text import number, percent, signed
from rnnx.types import Explanation, Units

if TYPE_CHECKING:
    from rich.console import Group
    from rich.style import Style

MOST, WORDS, BAR = 10, 4, 12  # units shown, words of a unit, columns of a bar
KEPT = 1_000  # words of a unit that are counted
FADED = "bright_black"

Look = Callable[[float], "Style"]
Sums = dict[str, Any]  # of the units of so many "texts" the "shares", what they "moved", their "sizes" and "words"


class Unit(NamedTuple):
    """Its number, what it gives to the target's logit, the same without regard to sign, the size of its value, and its
    words.
    """

    number: int
    share: float
    moved: float
    size: float
    words: str


def add(found: Sums, explanation: Explanation) -> None:
    """Count the units of one more text."""
    evidence = explanation.evidence
    if isinstance(evidence, Units):
        words = [{explanation.tokens[token].text.lower(): 1} for token in evidence.tokens]
        sizes, moved = list(map(abs, evidence.values)), list(map(abs, evidence.shares))
        merge(found, {"texts": 1, "shares": list(evidence.shares), "moved": moved, "sizes": sizes, "words": words})


def merge(found: Sums, other: Sums) -> None:
    """Add the sums of more texts; of a unit's words the rarest are forgotten."""
    if not found or not other:
        found.update(other)
        return
    found["texts"] += other["texts"]
    for name in ("shares", "moved", "sizes"):
        found[name] = [a + b for a, b in zip(found[name], other[name], strict=True)]
    pairs = zip(found["words"], other["words"], strict=True)
    found["words"] = [dict((Counter(a) + Counter(b)).most_common(KEPT)) for a, b in pairs]


def units(found: Sums) -> list[Unit]:
    """The means over the texts, the units that give most first. Words are those that most often give a unit most."""
    count = found["texts"]
    rows = enumerate(zip(found["shares"], found["moved"], found["sizes"], found["words"], strict=True))
    every = [
        Unit(j, share / count, moved / count, size / count, _named(words)) for j, (share, moved, size, words) in rows
    ]
    return sorted(every, key=lambda unit: -unit.moved)


def one(explanation: Explanation) -> list[Unit]:
    """Those of one text."""
    found: Sums = {}
    add(found, explanation)
    return units(found)


def summary(found: Sums) -> Iterator[str]:
    """Of several texts, a fact a line."""
    yield f"what each unit of the attended sum gives to the target's logit, means over {found['texts']:,} texts:"
    yield from plain(units(found))


def _named(words: dict[str, int]) -> str:
    return ", ".join(named(word) for word, _ in Counter(words).most_common(WORDS))


def table(found: list[Unit], colour: Look | None) -> Group:
    """The units that give most, with bars, and how much of all that is."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from rnnx.render.traces import bar

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
