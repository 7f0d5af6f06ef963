"""Phrases: which are worth showing, a hierarchy as the lines of a tree, and both as plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from rnnx.render.summary import FAINT, largest, named, opening
from rnnx.render.text import signed, visible
from rnnx.types import Attribution, Explanation, Phrase, Phrases

TREE = "hierarchy"  # the view whose phrases are a tree
PAIR = "interaction"  # the view of two that were named
TOP = 5  # phrases of a list
LONG = 40  # tokens of a text whose tree leaves out the steps in which nothing happens
WHOLE, END = 12, 5  # tokens of a phrase that plain text shows whole, and of the ends of a longer one
ENOUGH = 0.95  # share of a phrase's score with which a shorter one inside it stands for it


@dataclass(frozen=True)
class Row:
    """A phrase in a tree: the lines that lead to it, how deep it is, and whether its parts follow."""

    guide: str
    phrase: Phrase
    depth: int
    opened: bool


def words(explanation: Explanation, phrase: Phrase) -> str:
    """The phrase as it was written, in one line, with the names of the fields that begin in it."""
    tokens, at, body = explanation.tokens, explanation.tokens[phrase.start].start, ""
    if phrase.stop - phrase.start == 1:
        return opening(tokens, phrase.start) + named(tokens[phrase.start].text)
    for i in range(phrase.start, phrase.stop):
        body += visible(explanation.text[at : tokens[i].start]) + opening(tokens, i) + visible(tokens[i].text)
        at = tokens[i].end
    return " ".join(body.split())


def alone(explanation: Explanation, phrases: Phrases) -> Attribution:
    """The scores of the single tokens, or of the phrases that were named."""
    shown = [span for span in phrases.spans if span.stop - span.start == 1 or phrases.view == PAIR]
    scores = {i: span.score for span in shown for i in range(span.start, span.stop)}
    return Attribution(tuple(scores.get(i, 0.0) for i in range(len(explanation.tokens))), signed=True)


def strongest(phrases: Phrases) -> Iterator[tuple[str, list[Phrase]]]:
    """Of two tokens or more: the names "for" and "against" with the largest scores, "together" with interactions.

    A list has no two that overlap, none that is faint, and of one inside another that says as much the shorter. Where
    there are single tokens only, these are listed.
    """
    longer = [span for span in phrases.spans if span.stop - span.start > 1]
    shown = longer or list(phrases.spans)
    faint = FAINT * largest(tuple(span.score for span in phrases.spans))
    yield "for", _apart(shown, lambda s: s.score, faint)
    yield "against", _apart(shown, lambda s: -s.score, faint)
    if longer:
        yield "together", _apart(longer, lambda s: abs(s.interaction), faint)


def _apart(spans: list[Phrase], size: Callable[[Phrase], float], faint: float) -> list[Phrase]:
    chosen: list[Phrase] = []
    left = sorted((s for s in spans if size(s) >= faint and size(s) > 0), key=size, reverse=True)
    while left and len(chosen) < TOP:
        enough = ENOUGH * size(left[0])
        inside = [s for s in left if left[0].start <= s.start and s.stop <= left[0].stop and size(s) >= enough]
        best = min(inside, key=lambda s: (s.stop - s.start, -size(s), s.start))
        chosen.append(best)
        left = [s for s in left if s.stop <= best.start or best.stop <= s.start]
    return chosen


@dataclass
class _Node:
    """A phrase with its parts: whether its score or interaction is worth a row, whether its interaction is, and
    whether anything below it is.
    """

    phrase: Phrase
    parts: tuple[_Node, ...]
    loud: bool
    turns: bool
    busy: bool

    def heart(self) -> _Node:
        """The part, or part of a part, that it comes down to where nothing happens in between; perhaps itself."""
        node = self
        while node.busy and not node.turns:
            heard = [part for part in node.parts if part.loud or part.busy]
            if len(heard) != 1:
                break
            node = heard[0]
        return node


def _tree(phrases: Phrases) -> _Node:
    """The whole text, on top of its parts."""
    faint = FAINT * largest(tuple(span.score for span in phrases.spans))
    starts: dict[int, _Node] = {}
    for span in phrases.spans:
        parts: tuple[_Node, ...] = ()
        at = span.start if span.stop - span.start > 1 else span.stop
        while at < span.stop:
            parts, at = (*parts, starts[at]), starts[at].phrase.stop
        turns = abs(span.interaction) >= faint
        busy = bool(parts) and (turns or any(part.loud or part.busy for part in parts))
        node = _Node(span, parts, turns or abs(span.score) >= faint, turns, busy)
        starts[span.start] = node
    return starts[0]


def rows(phrases: Phrases) -> Iterator[Row]:
    """The tree from its root, line by line. A phrase in which nothing is stronger than faint stays whole.

    In a long text, a phrase that comes down to one inside it has only that below it, and of more than two parts only
    those that matter are shown.
    """
    root = _tree(phrases)
    waiting, brief = [(root, "", "", 0)], root.phrase.stop > LONG
    while waiting:
        node, guide, below, depth = waiting.pop()
        yield Row(guide, node.phrase, depth, node.busy)
        if node.busy:
            heart = node.heart() if brief else node
            parts = node.parts if heart is node else (heart,)
            if len(parts) > 2:
                parts = tuple(part for part in parts if part.loud or part.busy) or parts[:1]
            *first, last = parts
            waiting.append((last, below + "\u2514 ", below + "  ", depth + 1))
            waiting += [(part, below + "\u251c ", below + "\u2502 ", depth + 1) for part in reversed(first)]


def plain(explanation: Explanation, phrases: Phrases) -> Iterator[str]:
    """A list a line, or the tree as tab-separated columns, indented by two blanks a level.

    Of a long phrase both ends: whole ones would make the square of the text; in a tree the first line has all of it.
    """
    if phrases.view == TREE:
        yield "score\tinteraction\tphrase"
        for row in rows(phrases):
            score, interaction = numbers(row.phrase)
            said = (_brief if row.depth else words)(explanation, row.phrase)
            yield f"{score}\t{interaction}\t{'  ' * row.depth}{said}"
        return
    for name, spans in strongest(phrases):
        yield f"{name}: " + (", ".join(_listed(explanation, span) for span in spans) or "nothing")


def _listed(explanation: Explanation, phrase: Phrase) -> str:
    score, interaction = numbers(phrase)
    said = f"{_brief(explanation, phrase)} {score}"
    return f"{said} (interaction {interaction})" if interaction else said


def _brief(explanation: Explanation, phrase: Phrase) -> str:
    """The phrase, or how it begins and ends."""
    if phrase.stop - phrase.start <= WHOLE:
        return words(explanation, phrase)
    first, last = replace(phrase, stop=phrase.start + END), replace(phrase, start=phrase.stop - END)
    return f"{words(explanation, first)} \u2026 {words(explanation, last)}"


def numbers(phrase: Phrase) -> tuple[str, str]:
    """Score and interaction, to be read beside others: two digits after the point. A token has no interaction."""
    return two(phrase.score), two(phrase.interaction) if phrase.stop - phrase.start > 1 else ""


def two(value: float) -> str:
    """A number with its sign, to two digits after the point."""
    return signed(round(value, 2)) if abs(value) >= 0.005 else "0.00"
