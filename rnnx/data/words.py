"""Texts that stand in a file as a list of words, and the spans that people have marked in a text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

Spans = tuple[tuple[int, int], ...]


def joined(fields: Any, text: Sequence[str]) -> Any:
    """The fields of a row, with a text that is a list of words joined by blanks."""
    if not isinstance(fields, dict):
        return fields
    lists = {name: " ".join(fields[name]) for name in text if _is_words(fields.get(name))}
    return {**fields, **lists} if lists else fields


def spans(fields: Any, text: str, marks: Sequence[str]) -> Spans | None:
    """The marked spans, in characters, of the first of ``marks`` that is there; None without one.

    Raises ValueError for one that holds no pairs.
    """
    name = next((name for name in marks if fields.get(name) is not None), None)
    if name is None:
        return None
    found = fields[name]
    if not isinstance(found, list) or not all(map(_is_pair, found)):
        raise ValueError(f"the field {name!r} holds no pairs [start, end]")
    words = fields[text]
    if not _is_words(words):
        return tuple((start, end) for start, end in found)
    starts = [0, *accumulate(len(word) + 1 for word in words)]
    return tuple((starts[start], starts[end] - 1) for start, end in found if end < len(starts))


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(n) is int and n >= 0 for n in value)
