"""Parts of a text, as runs of characters, and the scores of tokens projected to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from rnnx.errors import UsageError
from rnnx.text.sentences import sentences
from rnnx.types import Attribution, Region, Regions, Token

WINDOW = 80  # characters of a region, where no number is given
BY = ("token", "sentence", "line", "field", "characters")

Span = tuple[str, int, int]  # a name, the first character and the one after the last


def projected(text: str, tokens: Sequence[Token], evidence: Attribution, by: str) -> Regions:
    """The sums of the tokens' scores over regions of the text.

    ``by`` is one of ``BY``, or characters:N for regions of N characters. A token that lies in several regions gives to
    each in proportion to its characters there, so that the sum over all regions is that over all tokens. Raises
    UsageError for what is no way to divide a text, and for the fields of a text without any.
    """
    spans = list(_spans(text, tokens, by))
    sums = [0.0] * len(spans)
    first = 0
    for token, score in zip(tokens, evidence.scores, strict=True):
        while spans[first][2] <= token.start:
            first += 1
        for i in range(first, len(spans)):
            _, start, end = spans[i]
            if start >= token.end:
                break
            sums[i] += score * (min(end, token.end) - max(start, token.start)) / (token.end - token.start)
    regions = (Region(*span, score) for span, score in zip(spans, sums, strict=True))
    return Regions(by, tuple(regions), evidence.scores, evidence.signed)


def parsed(by: str) -> tuple[str, int]:
    """The kind of regions, and how many characters. Raises UsageError."""
    kind, colon, size = by.partition(":")
    number = int(size) if size.isascii() and size.isdigit() else 0
    if kind not in BY or (colon and (kind != "characters" or not number)):
        raise UsageError(f"--by {by!r} is no way to divide a text", f"give {', '.join(BY)} or characters:N")
    return kind, number or WINDOW


def _spans(text: str, tokens: Sequence[Token], by: str) -> Iterator[Span]:
    """In order, not overlapping, every token's characters in them."""
    kind, size = parsed(by)
    if kind == "characters":
        for start in range(0, tokens[-1].end, size):
            end = min(start + size, len(text))
            yield f"{start}\u2013{end}", start, end
    elif kind == "line":
        there = [m for m in re.finditer(r"[^\n]+", text) if m[0].strip()]
        yield from _filling([(str(i), m.start(), m.end()) for i, m in enumerate(there, 1)])
    else:
        yield from _NAMED[kind](tokens)


def _filling(spans: list[Span]) -> list[Span]:
    """Each up to where the next one begins, for tokens that go over the end of a line."""
    ends = [start for _, start, _ in spans[1:]]
    return [(name, start, end) for (name, start, _), end in zip(spans, [*ends, spans[-1][2]], strict=True)]


def _single(tokens: Sequence[Token]) -> Iterator[Span]:
    return ((str(i), token.start, token.end) for i, token in enumerate(tokens, 1))


def _sentences(tokens: Sequence[Token]) -> Iterator[Span]:
    for number, both in groupby(zip(sentences(tokens), tokens, strict=True), lambda pair: pair[0]):
        own = [token for _, token in both]
        yield str(number + 1), own[0].start, own[-1].end


def _fields(tokens: Sequence[Token]) -> Iterator[Span]:
    if not tokens[0].field:
        hint = "repeat --text-field to join several fields, or divide it by sentence"
        raise UsageError("--by field: the text has no fields", hint)
    for name, group in groupby(tokens, lambda token: token.field):
        own = list(group)
        yield name, own[0].start, own[-1].end


_NAMED: dict[str, Callable[[Sequence[Token]], Iterator[Span]]] = {
    "token": _single,
    "sentence": _sentences,
    "field": _fields,
}
