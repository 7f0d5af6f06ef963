"""Scores added up over regions of a text: a bar a region, beside its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from rich.console import RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from rnnx.render.summary import largest, words
from rnnx.render.text import number, signed, visible
from rnnx.render.traces import bar
from rnnx.types import Explanation, Region, Regions

NAME, BAR, NARROW = 14, 12, 56  # columns at most of a name and of a bar; below this width a bar is shorter
FADED = "bright_black"

Look = Callable[[float], Style]


def table(explanation: Explanation, evidence: Regions, look: Look | None, colour: Look | None, width: int) -> Table:
    """Name, bar, score and words of each region, its tokens in their colours where there are any."""
    long, top = BAR if width >= NARROW else BAR // 2, largest(tuple(region.score for region in evidence.regions))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(max_width=NAME, overflow="ellipsis", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for region in evidence.regions:
        share = region.score / top
        cells: list[RenderableType] = [
            Text(visible(region.name), FADED),
            Text(bar(abs(share), long), colour(share) if colour else ""),
            Text(form(evidence)(region.score), "bold"),
            _passage(explanation, evidence, region, look),
        ]
        grid.add_row(*cells)
    return grid


def plain(explanation: Explanation, evidence: Regions) -> Iterator[str]:
    """A region a line, its columns separated by tabs."""
    yield "\t".join([evidence.by.partition(":")[0], "score", "text"])
    for region in evidence.regions:
        yield "\t".join([visible(region.name), form(evidence)(region.score), words(explanation, region)])


def form(evidence: Regions) -> Callable[[float], str]:
    """How a score is written."""
    return signed if evidence.signed else number


def _passage(explanation: Explanation, evidence: Regions, region: Region, look: Look | None) -> Text:
    body, at, top = Text(), region.start, largest(evidence.scores)
    piece = partial(_piece, explanation.text)
    for token, score in zip(explanation.tokens, evidence.scores, strict=True):
        start, end = max(token.start, region.start), min(token.end, region.end)
        if start < end:
            body.append(piece(at, start)).append(piece(start, end), look(score / top) if look else "")
            at = end
    body.append(piece(at, region.end))
    body.rstrip()
    return body


def _piece(text: str, start: int, end: int) -> str:
    """Line breaks are blanks: the regions are the lines here."""
    return visible(text[start:end]).replace("\n", " ")
