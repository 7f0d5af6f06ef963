"""What there is to learn from, as a table of plain lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import wrap

from rich.cells import cell_len, set_cell_size

from rnnx.render.text import visible
from rnnx.types import Counts, Summary

WIDTH, NAME, NUMBER, LABELS = 80, 34, 12, 4


def lines(summary: Summary) -> list[str]:
    """A column a part; rows for texts, labels (the first four), lengths, and those that are not as they should be."""
    parts = summary.parts
    labels = list(parts["train"].labels)
    shown = labels if len(labels) <= LABELS + 1 else labels[:LABELS]

    def row(name: str, number: Callable[[Counts], int]) -> str:
        return _row(name, [f"{number(counts):,}" for counts in parts.values()])

    found = [_row("", list(parts)), row("texts", lambda c: c.texts)]
    found += [row(f"  {visible(label)}", lambda c, label=label: c.labels[label]) for label in shown]  # type: ignore[misc]
    if shown != labels:
        rest = labels[len(shown) :]
        found.append(row(f"  {len(rest)} other labels", lambda c: sum(c.labels[label] for label in rest)))
    found.append(row("tokens a text: the median", lambda c: c.median))
    found.append(row("  95 % have at most", lambda c: c.long))
    found.append(row("  the longest", lambda c: c.longest))
    for name, counts in (
        ("duplicates of earlier texts", summary.repeated),
        ("texts with contradictory labels", summary.contradictory),
        ("texts that are also in train", summary.in_train),
    ):
        if any(counts.values()):
            found.append(_row(name, [f"{counts[part]:,}" if part in counts else "" for part in parts]))
    return found + _left_out(summary.left_out)


def _row(name: str, numbers: list[str]) -> str:
    name = name if cell_len(name) <= NAME else set_cell_size(name, NAME - 1) + "\u2026"
    start = name + " " * (NAME - cell_len(name))
    return (start + "".join(f"{number:>{NUMBER}}" for number in numbers)).rstrip()


def _left_out(reasons: Mapping[str, int]) -> list[str]:
    """How many rows, and why, in two lines at most."""
    if not reasons:
        return []
    listed = ", ".join(f"{visible(reason)} ({count:,})" for reason, count in reasons.items())
    return wrap(f"left out: {listed}", WIDTH, subsequent_indent="  ", max_lines=2, placeholder=" \u2026")
