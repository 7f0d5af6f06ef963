"""Two phrases and what they say together, for the terminal and as plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Group, RenderableType
from rich.style import Style
from rich.text import Text

from rnnx import registry
from rnnx.render.phrases import PAIR, two, words
from rnnx.render.summary import largest
from rnnx.render.trees import ends
from rnnx.types import Explanation, Phrase, Phrases

FADED = "bright_black"
NAME, NUMBER = 11, 8  # columns

Look = Callable[[float], Style]


def table(explanation: Explanation, phrases: Phrases, look: Look | None, width: int) -> RenderableType:
    """The sum of what each says and what they say together, and below it what the numbers mean."""
    first, second = phrases.spans
    top, said = largest((first.score, second.score)), registry.view(PAIR).columns
    lines = [Text(f"{'score':>{NAME + NUMBER}}", "bold")]
    for name, value in _terms(first, second).items():
        line = Text().append(f"{name:<{NAME}}{two(value):>{NUMBER}}  ", "bold" if name == PAIR else "")
        room = width - line.cell_len
        if name in ("first", "second"):
            phrase = first if name == "first" else second
            line.append(ends(words(explanation, phrase), room), look(value / top) if look else "")
        elif len(said[name]) <= room:
            line.append(said[name], FADED)
        lines.append(line)
    return Group(*lines, Text(), Text(f"score  {said['score']}", FADED))


def plain(explanation: Explanation, phrases: Phrases) -> Iterator[str]:
    """A number a line."""
    first, second = phrases.spans
    said = {"first": f"{words(explanation, first)} ", "second": f"{words(explanation, second)} "}
    for name, value in _terms(first, second).items():
        yield f"{name}: {said.get(name, '')}{two(value)}"


def _terms(first: Phrase, second: Phrase) -> dict[str, float]:
    """What is added up, and what it makes."""
    together = first.score + second.score + first.interaction
    return {"first": first.score, "second": second.score, PAIR: first.interaction, "together": together}
