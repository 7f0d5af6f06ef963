"""Numbers from -1 to 1 in coloured cells, and the small matrices that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import ascii_lowercase

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.style import Style
from rich.text import Text

from rnnx.comparisons import Agreement, Matrix
from rnnx.render.text import visible

FADED = "bright_black"
NAME = 20  # columns of a name, at most
WIDEST, NARROWEST = 7, 3  # columns of a cell

Look = Callable[[float], Style]


def letters(count: int) -> list[str]:
    """What stands for names in the head of a table: a, b, …, z, aa, ab, …"""
    return [("" if i < 26 else ascii_lowercase[i // 26 - 1]) + ascii_lowercase[i % 26] for i in range(count)]


def lettered(names: Sequence[str]) -> list[str]:
    """Names, each with its letter."""
    return [f"{letter} {cut(visible(name), NAME)}" for letter, name in zip(letters(len(names)), names, strict=True)]


def cut(text: str, width: int) -> str:
    """At most so many columns of a text."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "\u2026"


def filled(text: str, width: int) -> str:
    """Exactly so many columns."""
    return set_cell_size(cut(text, width), width)


def fitting(room: int, count: int) -> int:
    """Columns for each of so many cells."""
    return max(NARROWEST, min(WIDEST, room // count))


def head(count: int, width: int) -> str:
    """The letters above cells."""
    return "".join(f"{letter:^{width}}" for letter in letters(count))


def cell(value: float | None, width: int, look: Look, plus: str = "") -> Text:
    """A number in so many columns, in its colour; ``plus`` is the sign of what is above 0."""
    if value is None:
        return Text("\u2013".center(width), FADED)
    digits = 2 if width - len(plus) > 3 else 1
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return Text(f"{'0':^{width}}", look(value))
    text = text.lstrip("0") if text.startswith("0") else text if width > 5 else "1"
    sign = "\u2212" if value < 0 else plus
    return Text(f"{sign + text:^{width}}", look(value))


def agreement(found: Agreement, look: Callable[[bool], Look], width: int) -> RenderableType:
    """Rank correlations above the diagonal and common strong tokens below it, and beside or under that common signs."""
    names = lettered(found.names)
    name, count = max(map(cell_len, names)) + 2, len(names)
    signed = [i for i, row in enumerate(found.sign) if any(value is not None for j, value in enumerate(row) if i != j)]
    sizes = [size for size in (5, 4) if name + size * (count + len(signed)) + 3 <= width]
    beside, size = bool(sizes), sizes[0] if sizes else fitting(width - name, count)
    if name + size * count > width:  # the names stand with their letters in the table above
        names = letters(count)
        name = max(map(cell_len, names)) + 2
    ranks: Matrix = tuple(
        tuple(found.spearman[i][j] if i < j else found.overlap[i][j] for j in range(count)) for i in range(count)
    )
    every = range(count)
    labels = [Text(" " * name), *(Text(filled(label, name)) for label in names)]
    rows = [Text.assemble(label, a) for label, a in zip(labels, _matrix(ranks, every, every, size, look), strict=True)]
    legend = "above the diagonal: rank correlation; below: strongest fifth in common"
    if signed and beside:
        signs = _matrix(found.sign, every, signed, size, look)
        rows = [Text.assemble(row, "   ", b) for row, b in zip(rows, signs, strict=True)]
        legend += "; right: same signs there"
    elif signed:
        signs = _matrix(found.sign, signed, signed, size, look)
        own = [labels[0], *(labels[i + 1] for i in signed)]
        rows += [Text(), *(Text.assemble(label, b) for label, b in zip(own, signs, strict=True))]
        legend += "; then: same signs there"
    return Group(*rows, Text(legend, FADED))


def _matrix(
    matrix: Matrix, rows: Sequence[int], columns: Sequence[int], size: int, look: Callable[[bool], Look]
) -> list[Text]:
    """A head and a line a row, of some rows and columns; the diagonal, which says nothing, is a dot."""
    names = letters(len(matrix))
    lines = [Text("".join(f"{names[j]:^{size}}" for j in columns), "bold")]
    for i in rows:
        cells = [
            Text("\u00b7".center(size), FADED) if i == j else cell(matrix[i][j], size, look(True)) for j in columns
        ]
        lines.append(Text.assemble(*cells))
    return lines
