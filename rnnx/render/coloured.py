"""Explanations for HTML: the text in coloured pieces, tables of what is no score a token, and the colours.

A piece has an element that says its side also without colours: b speaks for, u against, i has no sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rnnx.render import palette, phrases, plain
from rnnx.render.summary import FAINT, MARKED, largest, opening
from rnnx.render.text import number, signed, visible
from rnnx.types import Attribution, Explanation, Phrases, Regions

STEPS = 10  # of a colour
MARKED_STEPS = [step for step in range(1, STEPS + 1) if step / STEPS >= MARKED]
SIDES = {"b": palette.FOR, "u": palette.AGAINST, "i": palette.UNSIGNED}
SIGNED, UNSIGNED = [("b", "for"), ("u", "against")], [("i", "important")]  # what the legend calls them
SCALE = (10, 6, 3)  # steps that the legend shows


class Piece(NamedTuple):
    """A part of a text: what stands there, and, if it is coloured, its element, the step of its colour, its score."""

    text: str
    side: str = ""
    step: int = 0
    score: str = ""


class Cell(NamedTuple):
    """One of a table: as ``Piece``; ``head`` of a column; ``numeric`` or words."""

    piece: Piece
    head: bool = False
    numeric: bool = False


def scored(e: Explanation) -> Attribution | None:
    """The scores that the text is coloured by, if there are some for tokens."""
    if isinstance(e.evidence, Regions):
        return Attribution(e.evidence.scores, e.evidence.signed)
    if isinstance(e.evidence, Phrases):
        return None if e.evidence.view == phrases.TREE else phrases.alone(e, e.evidence)
    return e.evidence if isinstance(e.evidence, Attribution) else None


def pieces(e: Explanation, found: Attribution | None = None) -> list[Piece]:
    """The text as it was written; tokens whose score is more than faint by themselves."""
    found = found or scored(e)
    if found is None:
        return [Piece(visible(e.text))]
    form: Callable[[float], str] = signed if found.signed else number
    top, made, before, at = largest(found.scores), [], "", 0
    for i, (token, score) in enumerate(zip(e.tokens, found.scores, strict=True)):
        before += visible(e.text[at : token.start]) + opening(e.tokens, i)
        at = token.end
        if abs(score) < FAINT * top:
            before += visible(token.text)
            continue
        if before:
            made.append(Piece(before))
        made.append(piece(visible(token.text), score / top, form(score), sided=found.signed))
        before = ""
    return [*made, Piece(before + visible(e.text[at:]))]


def piece(text: str, share: float, score: str = "", *, sided: bool) -> Piece:
    """A text in the colour of its share, from -1 to 1, of the largest; ``sided``, or of its size only."""
    side = ("b" if share > 0 else "u") if sided else "i"
    return Piece(text, side, min(STEPS, max(1, int(abs(share) * STEPS + 1e-9))), score)


def table(e: Explanation) -> Iterator[list[Cell]]:
    """The rows of a table, where plain text has one; the scores of regions in their colours."""
    rows = [line.split("\t") for line in plain.body(e) if "\t" in line]
    for i, row in enumerate(rows):
        like = rows[1] if len(rows) > 1 else row
        cells = [Cell(Piece(words), not i, _numeric(one)) for words, one in zip(row, like, strict=True)]
        if i and isinstance(e.evidence, Regions):
            region, top = e.evidence.regions[i - 1], largest(tuple(r.score for r in e.evidence.regions))
            if abs(region.score) >= FAINT * top:
                score = piece(row[1], region.score / top, sided=e.evidence.signed)
                cells[1] = Cell(score, numeric=True)
        yield cells


def _numeric(words: str) -> bool:
    return bool(words) and words[0] in "+\u2212.0123456789" and words.strip("+\u2212.0123456789e-") == ""


def themes() -> dict[str, list[tuple[str, int, str, str]]]:
    """Of a light and a dark page element, step, colour of the box and of the ink in it."""
    return {name: list(_boxes(page)) for name, page in palette.BACKGROUNDS.items()}


def _boxes(page: palette.RGB) -> Iterator[tuple[str, int, str, str]]:
    for side, hue in SIDES.items():
        for step in range(1, STEPS + 1):
            box = palette.mix(page, hue, step / STEPS)
            yield side, step, _hex(box), _hex(palette.ink(box))


def _hex(colour: palette.RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
