"""An explanation as plain text: no colours, no width, one fact a line; for pipes, logs and screen readers.

Tokens that matter are marked in the text itself as in word diffs: {+for+}, [-against-], and without a sign
{*important*}; doubled marks are the strongest.
"""

from __future__ import annotations

from collections.abc import Iterator

from rnnx.render import checks, pairs, phrases, regions, trust, units
from rnnx.render.summary import MARKED, STRONG, largest, method_line, notes, opening, strongest
from rnnx.render.text import number, percent, visible
from rnnx.types import Attribution, Explanation, Phrases, Regions, Trace, Units


def lines(explanation: Explanation) -> Iterator[str]:
    """The explanation, line by line."""
    prediction = explanation.prediction
    yield f"{visible(prediction.label)} {percent(prediction.probability)} ({visible(explanation.model)})"
    if text := _text(explanation):
        yield text
    yield from body(explanation)
    yield from about(explanation)


def about(explanation: Explanation) -> Iterator[str]:
    """How it was made, and what helps to judge it."""
    method = method_line(explanation)
    yield method if method.startswith("view ") else f"method: {method}"
    if checked := checks.report(explanation):
        yield from checks.plain(checked)
    yield from trust.line(explanation)
    for note in notes(explanation):
        yield f"note: {note}"


def body(explanation: Explanation) -> Iterator[str]:
    """What the evidence says beside the text: columns with tabs between them, and lines without."""
    evidence = explanation.evidence
    if isinstance(evidence, Trace):
        yield from _table(explanation, evidence)
    elif isinstance(evidence, Phrases):
        yield from (pairs if evidence.view == phrases.PAIR else phrases).plain(explanation, evidence)
    elif isinstance(evidence, Regions):
        yield from regions.plain(explanation, evidence)
    elif isinstance(evidence, Units):
        yield from units.plain(units.one(explanation))
    else:
        for name, entries in strongest(explanation, evidence):
            yield f"{name}: " + (", ".join(f"{token} {score}" for token, score in entries) or "nothing")


def _text(explanation: Explanation) -> str:
    """The marked text, where there are scores to mark it by; a line break in it is no new fact."""
    evidence = explanation.evidence
    if isinstance(evidence, Phrases) and evidence.view != phrases.TREE:
        evidence = phrases.alone(explanation, evidence)
    return marked(explanation, evidence).replace("\n", "\u21b5") if isinstance(evidence, Attribution) else ""


def marked(explanation: Explanation, evidence: Attribution) -> str:
    """The text with its important tokens marked."""
    top = largest(evidence.scores)
    body, at = "", 0
    for i, (token, score) in enumerate(zip(explanation.tokens, evidence.scores, strict=True)):
        body += visible(explanation.text[at : token.start]) + opening(explanation.tokens, i)
        body += _mark(visible(token.text), score / top, evidence.signed)
        at = token.end
    return body + visible(explanation.text[at:])


def _mark(token: str, share: float, signed: bool) -> str:
    if abs(share) < MARKED:
        return token
    times = 2 if abs(share) >= STRONG else 1
    if not signed:
        return "{" + "*" * times + token + "*" * times + "}"
    return f"[{'-' * times}{token}{'-' * times}]" if share < 0 else f"{{{'+' * times}{token}{'+' * times}}}"


def _table(explanation: Explanation, trace: Trace) -> Iterator[str]:
    """Tab-separated columns."""
    yield "\t".join(["token", *trace.columns])
    for i, token in enumerate(explanation.tokens):
        name = opening(explanation.tokens, i) + visible(token.text)
        yield "\t".join([name, *(number(values[i]) for values in trace.columns.values())])
