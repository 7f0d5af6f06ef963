"""What every rendering of an explanation says in words: the strongest tokens, the method, the notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rnnx.render.text import number, percent, signed, visible
from rnnx.types import Attribution, Explanation, Token, Trace

TOP = 6
MARKED = 0.3  # share of the largest score from which a token is marked also without colour
STRONG = 0.65  # and from which it is marked twice


def largest(scores: tuple[float, ...]) -> float:
    """The largest absolute score, which the colours are relative to; 1 if all are 0."""
    return max(map(abs, scores), default=0.0) or 1.0


def strongest(explanation: Explanation, evidence: Attribution) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """("for", [(token, score), …]) and ("against", …); ("most", …) for scores without a sign."""
    scores = evidence.scores
    ranked = sorted(range(len(scores)), key=lambda i: (-abs(scores[i]), i))
    form: Callable[[float], str] = signed if evidence.signed else number

    def chosen(indexes: list[int]) -> list[tuple[str, str]]:
        return [(named(explanation.tokens[i].text), form(scores[i])) for i in indexes[:TOP]]

    if evidence.signed:
        yield "for", chosen([i for i in ranked if scores[i] > 0])
        yield "against", chosen([i for i in ranked if scores[i] < 0])
    else:
        yield "most", chosen([i for i in ranked if scores[i]])


def named(token: str) -> str:
    """A token in a list; punctuation stands in quotes."""
    shown = visible(token)
    return shown if any(c.isalnum() or ord(c) > 0x2FFF for c in shown) else f"\u201c{shown}\u201d"


def opening(tokens: Sequence[Token], i: int) -> str:
    """The field's name with a colon before the first token of a field, else nothing."""
    return (
        f"{visible(tokens[i].field)}: "
        if tokens[i].field and (i == 0 or tokens[i - 1].field != tokens[i].field)
        else ""
    )


def method_line(explanation: Explanation) -> str:
    """The method with its settings."""
    settings = [f"{name}={value}" for name, value in explanation.settings.items()]
    evidence = explanation.evidence
    shown = [f"view {evidence.view}"] if isinstance(evidence, Trace) else []
    return " \u00b7 ".join([explanation.method, *shown, *settings])


def notes(explanation: Explanation) -> Iterator[str]:
    """What a reader should know before believing the picture."""
    if explanation.target != explanation.prediction.label:
        yield f"explained is {visible(explanation.target)}, which the model did not predict"
    unknown = explanation.diagnostics.get("unknown_tokens", [])
    if unknown:
        words = dict.fromkeys(named(explanation.tokens[i].text) for i in unknown)
        listed = ", ".join(list(words)[:8]) + (", \u2026" if len(words) > 8 else "")
        yield f"the model does not know {len(unknown)} of {len(explanation.tokens)} tokens: {listed}"
    share = explanation.diagnostics.get("reaches_start")
    if share is not None:
        first = named(explanation.tokens[0].text)
        yield f"of the largest gradient at a state, {percent(share)} reaches the one after the first token ({first})"
