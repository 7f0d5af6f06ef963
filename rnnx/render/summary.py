"""What every rendering of an explanation says in words: the strongest tokens, the method, the notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rnnx import registry
from rnnx.errors import UnknownName
from rnnx.render.text import number, percent, signed, visible
from rnnx.types import Attribution, Explanation, Phrases, Region, Regions, Token, Trace, Units

TOP = 6
FAINT = 0.08  # share of the largest score from which a token is coloured
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


def words(explanation: Explanation, region: Region) -> str:
    """A region's text in one line."""
    return " ".join(visible(explanation.text[region.start : region.end]).split())


def _sum(explanation: Explanation) -> Iterator[str]:
    """What the scores add up to, and what is missing from what they should."""
    said, evidence = explanation.diagnostics, explanation.evidence
    if "residual" not in said or "interactions" in said or not isinstance(evidence, Attribution | Regions):
        return
    biases = f", with {signed(said['bias'])} for the biases" if "bias" in said else ""
    points = f" (from {said['points']} points)" if "points" in said else ""
    missing = f"{abs(said['residual']):.1g}"
    yield f"the scores add up to {signed(sum(evidence.scores))}{biases}; {missing} is missing{points}"


def method_line(explanation: Explanation) -> str:
    """The method, the view, or both, with the settings; a view that is the same for every label is of no method's."""
    settings = [f"{name}={visible(str(value))}" for name, value in explanation.settings.items()]
    evidence = explanation.evidence
    if isinstance(evidence, Regions | Units):
        settings.insert(0, f"by {visible(evidence.by) if isinstance(evidence, Regions) else 'unit'}")
    if isinstance(evidence, Attribution | Regions | Units):
        return " \u00b7 ".join([explanation.method, *settings])
    method = [explanation.method] if _targeted(explanation) else []
    return " \u00b7 ".join([*method, f"view {evidence.view}", *settings])


def _targeted(explanation: Explanation) -> bool:
    """Whether it depends on the label that is explained; a method that is not known is taken to."""
    try:
        if not isinstance(explanation.evidence, Phrases | Trace):
            return registry.method(explanation.method).targeted
        return registry.view(explanation.evidence.view).targeted
    except UnknownName:
        return True


def notes(explanation: Explanation) -> Iterator[str]:
    """What a reader should know before believing the picture."""
    evidence = explanation.evidence
    if explanation.target != explanation.prediction.label:
        target = visible(explanation.target)
        aimed = f"explained is {target}, which the model did not predict"
        yield aimed if _targeted(explanation) else f"this is the same for {target} as for every other label"
    unknown = explanation.diagnostics.get("unknown_tokens", [])
    if unknown:
        words = dict.fromkeys(named(explanation.tokens[i].text) for i in unknown)
        listed = ", ".join(list(words)[:8]) + (", \u2026" if len(words) > 8 else "")
        yield f"the model does not know {len(unknown)} of {len(explanation.tokens)} tokens: {listed}"
    yield from _sum(explanation)
    error = explanation.diagnostics.get("standard_error")
    if error:
        yield f"the scores are drawn at random: their standard error is {number(error)} on average"
    elif error == 0:
        yield "the scores are exact: chance does not move them"
    explained = explanation.diagnostics.get("r_squared")
    if explained is not None:
        yield f"a linear model explains {percent(explained)} of how the score varies around the text"
    yield from _flip(explanation)
    order = explanation.diagnostics.get("order_sensitivity")
    if order is not None:
        error = explanation.diagnostics.get("order_error")
        off = f", with a standard error of {number(error)}" if error else ""
        yield f"with all tokens in random order, what is explained changes by {number(order)} on average{off}"
    together = explanation.diagnostics.get("interactions")
    if together is not None and isinstance(evidence, Attribution):
        alone = sum(evidence.scores)
        yield (
            f"the tokens alone make {signed(alone)} of {signed(alone + together)}, the logit without its bias; "
            "what they do together: --view hierarchy"
        )
    share = explanation.diagnostics.get("reaches_start")
    if share is not None:
        first = named(explanation.tokens[0].text)
        yield f"of the largest gradient at a state, {percent(share)} reaches the one after the first token ({first})"
    yield from _memory(explanation)


def _flip(explanation: Explanation) -> Iterator[str]:
    """Whether taking tokens away changed the decision."""
    count, taken = (explanation.diagnostics.get(name) for name in ("flips_after", "taken"))
    if taken is None:
        return
    target, predicted = visible(explanation.target), visible(explanation.prediction.label)
    said = explanation.target == explanation.prediction.label
    tokens = "this token" if (count or taken) == 1 else f"these {count or taken} tokens"
    tokens = f"the first {count} of these {taken} tokens" if count and count < taken else tokens
    if count:
        yield f"without {tokens} the model {'no longer ' if said else ''}says {target}"
    else:
        yield f"without {tokens} the model still says {predicted}"


def _memory(explanation: Explanation) -> Iterator[str]:
    """How far back each direction listens, where that was measured."""
    n, found = len(explanation.tokens), explanation.diagnostics
    for suffix, end, edge, first in (("", "dh_T", "end", 0), ("_reverse", "dh_1", "start", n - 1)):
        if n == 1 or f"tokens_heard{suffix}" not in found:
            continue
        heard = found[f"tokens_heard{suffix}"]
        parts = explanation.evidence.columns if isinstance(explanation.evidence, Trace) else ()
        what = f"{end}/dh_t" + (f" (or {end}/dc_t)" if f"{end}/dc_t" in parts else "")
        if heard < n:
            share = f"{100 * explanation.settings['share']:g}%"
            yield f"{what} falls below {share} of its largest {heard:.0f} of {n} tokens from the {edge}, for good"
        else:
            token, left = named(explanation.tokens[first].text), percent(found[f"first_heard{suffix}"])
            yield f"{what} does not vanish: after the token read first ({token}) it is {left} of its largest"
    if found.get("reads_between"):
        yield (
            "the states on the way are also read directly, not only what is left of them at the end: "
            "a token with a small number may be heard all the same"
        )
