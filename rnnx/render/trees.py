"""Phrases for the terminal: the strongest in a list, or the hierarchy as a tree, with their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from rnnx import registry
from rnnx.render import phrases as chosen
from rnnx.render.summary import largest
from rnnx.types import Explanation, Phrase, Phrases

SCORE, INTERACTION, LABEL = 8, 13, 9  # columns of the numbers and of the name of a list
ROOM = 24  # columns that a phrase should have; in a narrow terminal the interactions go first
FADED = "bright_black"

Look = Callable[[float], Style]  # of a phrase, from its share of the largest score


def table(explanation: Explanation, phrases: Phrases, look: Look | None, width: int) -> RenderableType:
    """The list or tree, and below it what the numbers mean."""
    label = 0 if phrases.view == chosen.TREE else LABEL
    longer = any(span.stop - span.start > 1 for span in phrases.spans)
    numbers = SCORE + (INTERACTION if longer and width - label - SCORE - INTERACTION >= ROOM else 0)
    head = f"{'':{label}}{'score':>{SCORE}}" + (f"{'interaction':>{INTERACTION}}" if numbers > SCORE else "")
    top = largest(tuple(span.score for span in phrases.spans))
    lines = [Text(head, "bold")]
    for name, guide, phrase in _tree(phrases) if not label else _lists(phrases):
        line = Text(f"{name:<{label}}") if label else Text()
        if phrase is None:
            beside = " " * (numbers + 2)
            lines.append(line.append(f"{beside if width >= label + len(beside) + ROOM else ''}nothing"))
            continue
        score, interaction = chosen.numbers(phrase)
        line.append(f"{score:>{SCORE}}" + (f"{interaction:>{INTERACTION}}" if numbers > SCORE else ""))
        room = width - label - numbers - 2
        guide = _end(guide, room // 2)
        said = ends(chosen.words(explanation, phrase), room - cell_len(guide))
        lines.append(line.append(f"  {guide}", FADED).append(said, look(phrase.score / top) if look else ""))
    return Group(*lines, Text(), _meanings(phrases, numbers > SCORE))


def _tree(phrases: Phrases) -> Iterator[tuple[str, str, Phrase | None]]:
    return (("", row.guide, row.phrase) for row in chosen.rows(phrases))


def _lists(phrases: Phrases) -> Iterator[tuple[str, str, Phrase | None]]:
    """A name at the first phrase of each list."""
    for name, spans in chosen.strongest(phrases):
        for i, phrase in enumerate(spans or [None]):
            yield "" if i else name, "", phrase


def ends(text: str, width: int) -> str:
    """The text, or how it begins and ends."""
    if cell_len(text) <= width:
        return text
    half = max(width // 2 - 1, 0)
    end = text[len(text) - half :]
    while cell_len(end) > half:
        end = end[1:]
    return set_cell_size(text, max(width - 1 - cell_len(end), 0)) + "\u2026" + end


def _end(guide: str, width: int) -> str:
    return guide if len(guide) <= width else "\u2026" + guide[len(guide) - width + 1 :]


def _meanings(phrases: Phrases, interactions: bool) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for name, meaning in registry.view(phrases.view).columns.items():
        if name != "interaction" or interactions:
            grid.add_row(name, Text(meaning, FADED))
    if phrases.view != chosen.TREE:
        if "together" in dict(chosen.strongest(phrases)):
            grid.add_row("together", Text("the phrases of the largest interactions", FADED))
    elif any(not row.opened and row.phrase.stop - row.phrase.start > 1 for row in chosen.rows(phrases)):
        grid.add_row("not opened", Text("phrases in which nothing is strong; --format json has all", FADED))
    return grid
