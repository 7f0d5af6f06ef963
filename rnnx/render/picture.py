"""An explanation as a picture for the terminal: the text itself, each token coloured by its score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

from rnnx.render import checks, pairs, palette, phrases, plain, regions, traces, trees, trust, units
from rnnx.render.summary import largest, method_line, notes, opening, strongest
from rnnx.render.text import number, percent, visible
from rnnx.types import Attribution, Evidence, Explanation, Phrases, Prediction, Regions, Trace, Units

WIDEST = 100  # columns: longer lines of running text are hard to read
MARGIN = 2
FADED = "bright_black"
_SIGNED_SCALE, _UNSIGNED_SCALE = (-1.0, -0.6, -0.3, -0.1, 0.1, 0.3, 0.6, 1.0), (0.1, 0.3, 0.6, 1.0)

Look = Callable[[float], Style]  # of a token, from its share of the largest score


def show(console: Console, explanation: Explanation, background: str = "unknown") -> None:
    """Print one explanation; ``background`` is the terminal's: "dark", "light" or "unknown"."""
    width = min(console.width, WIDEST) - 2 * MARGIN
    parts = _parts(console, explanation, explanation.evidence, background, width)
    if checked := checks.report(explanation):
        parts += [Text(), checks.table(checked)]
    if found := trust.level(explanation):
        parts.append(_trust(explanation, found, width))
    foot = Text("\n".join([method_line(explanation), *notes(explanation)]), FADED)
    head = headline(explanation.prediction, explanation.model, width)
    lay(console, Group(head, Text(), *parts, Text(), foot))


def lay(console: Console, picture: RenderableType) -> None:
    """Print something in the width and with the margin of all pictures."""
    printed(console, picture, min(console.width, WIDEST) - 2 * MARGIN)


def _parts(
    console: Console, explanation: Explanation, evidence: Evidence, background: str, width: int
) -> list[RenderableType]:
    """What the evidence looks like, kind by kind."""
    if isinstance(evidence, Trace):
        return [traces.table(explanation, evidence, width)]
    signed = isinstance(evidence, Phrases | Units) or evidence.signed
    colours = console.color_system
    look, colour = (
        partial(style, signed=signed, background=background, colours=colours) if colours else None
        for style in (palette.style, palette.bar)
    )
    if isinstance(evidence, Regions):
        return [regions.table(explanation, evidence, look, colour, width)]
    if isinstance(evidence, Units):
        return [units.table(units.one(explanation), colour)]
    if isinstance(evidence, Phrases):
        if evidence.view == phrases.PAIR:
            table = pairs.table(explanation, evidence, look, width)
        else:
            table = trees.table(explanation, evidence, look, width)
        if evidence.view == phrases.TREE:
            return [table]
        return [_body(explanation, phrases.alone(explanation, evidence), look), Text(), table]
    return [_body(explanation, evidence, look), Text(), key(explanation, evidence, look, width)]


def _body(explanation: Explanation, evidence: Attribution, look: Look | None) -> Text:
    return running(explanation, evidence, look) if look else Text(plain.marked(explanation, evidence))


def printed(console: Console, picture: RenderableType, width: int) -> None:
    """With a margin at the left and no blanks at the end of a line."""
    lines = console.render_lines(picture, console.options.update(width=max(width, 1)), pad=False)
    for line in lines:
        while line and _bare(line[-1]) and not line[-1].text.rstrip():
            line.pop()
        if line and _bare(line[-1]):
            line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
        console.print(Segments([Segment(" " * MARGIN if line else ""), *line, Segment.line()]), soft_wrap=True, end="")


def _bare(segment: Segment) -> bool:
    """Whether blanks of this segment cannot be seen."""
    return not (segment.style and (segment.style.bgcolor or segment.style.reverse))


def headline(prediction: Prediction, model: str, width: int) -> Text:
    """Label, probability, a bar, the runner-up, and at the right, where there is room, the model."""
    line = Text().append(visible(prediction.label), "bold").append(f" {percent(prediction.probability)}  ")
    bar = 20 if width >= 56 else 5
    filled = round(prediction.probability * bar)
    line.append("\u2501" * filled).append("\u2501" * (bar - filled), FADED)
    others = [(p, label) for label, p in prediction.probabilities.items() if label != prediction.label]
    if others:
        line.append(f"  {visible(max(others)[1])}\u00a0{percent(max(others)[0])}")
    name = visible(model)
    room = width - line.cell_len - cell_len(name)
    return line.append(" " * room + name, FADED) if room > 1 else line.append(f"\n{name}", FADED)


def running(explanation: Explanation, evidence: Attribution, look: Look) -> Text:
    """The text as it was written, tokens in their colours."""
    top = largest(evidence.scores)
    body, at = Text(overflow="fold"), 0
    for i, (token, score) in enumerate(zip(explanation.tokens, evidence.scores, strict=True)):
        body.append(visible(explanation.text[at : token.start])).append(opening(explanation.tokens, i), FADED)
        body.append(visible(token.text), look(score / top))
        at = token.end
    return body.append(visible(explanation.text[at:]))


def key(explanation: Explanation, evidence: Attribution, look: Look | None, width: int) -> RenderableType:
    """The scale of the colours, and the tokens with the largest scores and their values."""
    rows: list[Text] = []
    if look:
        rows.append(Text("scale    ").append_text(_scale(evidence, look, width - 9)))
    for name, entries in strongest(explanation, evidence):
        label = Text().append(name, look(-1.0 if name == "against" else 1.0) if look else Style())
        label.append(" " * (9 - len(name)))
        lines = list(_filled([f"{token} {score}" for token, score in entries] or ["nothing"], width - 9))
        rows += [label.append(lines[0]), *(Text(" " * 9 + line) for line in lines[1:])]
    return Group(*rows)


def _trust(explanation: Explanation, found: str, width: int) -> RenderableType:
    """The trust line, as a row of the key."""
    row = Table.grid()
    row.add_column(width=min(9, width // 2))
    row.add_column()
    said = Text(f"{trust.dots(found)} {found}", "bold").append(": " + "; ".join(trust.words(explanation)), "not bold")
    row.add_row("trust", said)
    return row


def _scale(evidence: Attribution, look: Look, width: int) -> Text:
    """Sample boxes, as many as fit, and what the strongest stands for."""
    shares: tuple[float, ...] = _SIGNED_SCALE if evidence.signed else _UNSIGNED_SCALE
    if 6 * len(shares) > width:
        shares = shares[:1] + shares[-1:]
    scale = Text()
    for share in shares:
        scale.append(f" {share:+.1f} " if evidence.signed else f" {share:.1f} ", look(share))
    meaning = f"  1.0 is {number(largest(evidence.scores))}"
    return scale.append(meaning, FADED) if scale.cell_len + len(meaning) <= width else scale


def _filled(entries: Iterable[str], width: int) -> Iterator[str]:
    """Entries in lines, none broken, a dot between two."""
    line = ""
    for entry in entries:
        longer = f"{line} \u00b7 {entry}" if line else entry
        if line and cell_len(longer) > width:
            yield line
            longer = entry
        line = longer
    yield line
