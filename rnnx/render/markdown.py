"""Explanations as Markdown: the text with what speaks for the target in bold and what speaks against it struck out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rnnx.render import plain, tally, trust
from rnnx.render.summary import MARKED, largest, method_line, notes, opening, strongest
from rnnx.render.text import percent, visible
from rnnx.render.writers import Record, Writer
from rnnx.types import Attribution, Explanation

_MEANT = re.compile(r"([\\`*_{}\[\]>#|~$!])")  # what could mean something in one of its dialects
_BEGINNING = re.compile(r"^(\s*\d*)([-+=.)])", re.MULTILINE)  # and what could at the beginning of a line
_ESCAPED = r"\1\\\2"


class Markdown(Writer):
    """A section a text."""

    between = b"\n"

    def rows(self, records: Sequence[Record]) -> bytes:
        """The sections."""
        return "\n".join("".join(f"{line}\n" for line in _section(record)) for record in records).encode()

    def tail(self, found: tally.Tally, *, empty: bool) -> bytes:
        """The summary, where it is wanted."""
        if empty or not self.style.summary:
            return b""
        return "".join(f"{line}\n" for line in ("", "## Summary", "", *_listed(tally.lines(found)))).encode()


def _section(record: Record) -> Iterator[str]:
    e = record.explanation
    name = record.number if record.row.id is None else escaped(str(record.row.id))
    yield f"## {name}: {escaped(e.prediction.label)} {percent(e.prediction.probability)}"
    yield ""
    if isinstance(e.evidence, Attribution):
        yield "> " + _marked(e, e.evidence).replace("\n", "  \n> ")
        yield ""
        found = [
            f"{name}: " + (", ".join(f"{inline(token)} {score}" for token, score in entries) or "nothing")
            for name, entries in strongest(e, e.evidence)
        ]
        yield from _listed([*found, *map(escaped, [method_line(e), *trust.line(e), *notes(e)])], escape=False)
    else:
        yield from ("```", *(line.replace("```", "'''") for line in plain.lines(e)), "```")


def _marked(e: Explanation, evidence: Attribution) -> str:
    """The text, its important tokens marked."""
    top = largest(evidence.scores)
    body, at = "", 0
    for i, (token, score) in enumerate(zip(e.tokens, evidence.scores, strict=True)):
        opened, closed = _mark(token.text, score / top)
        body += inline(e.text[at : token.start] + opening(e.tokens, i)) + f"{opened}{inline(token.text)}{closed}"
        at = token.end
    return _BEGINNING.sub(_ESCAPED, body + inline(e.text[at:]))


def _mark(token: str, share: float) -> tuple[str, str]:
    """What stands before and after a token; in HTML where Markdown's own signs do not work, at punctuation."""
    if abs(share) < MARKED:
        return "", ""
    if token[0].isalnum() and token[-1].isalnum():
        return ("**", "**") if share > 0 else ("~~", "~~")
    return ("<b>", "</b>") if share > 0 else ("<s>", "</s>")


def _listed(lines: Iterable[str], *, escape: bool = True) -> Iterator[str]:
    return (f"- {escaped(line) if escape else line}" for line in lines)


def escaped(text: str) -> str:
    """Text that means nothing but itself, from the beginning of a line."""
    return _BEGINNING.sub(_ESCAPED, inline(text))


def inline(text: str) -> str:
    """The same for a part of a line."""
    return _MEANT.sub(r"\\\1", visible(text)).replace("&", "&amp;").replace("<", "&lt;")
