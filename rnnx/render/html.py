"""Explanations as one page of HTML that needs nothing else: filtered and sorted by its own script.

The summary is known only at the end and stands there; the script, where it may run, puts it on top. The page's policy
lets a browser run that script and use that style sheet, by their checksums, and load nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from rnnx.render import coloured, plain, tally, trust
from rnnx.render.summary import method_line
from rnnx.render.tables import kept
from rnnx.render.text import percent, visible
from rnnx.render.writers import Record, Writer

if TYPE_CHECKING:
    from jinja2 import Environment


class Html(Writer):
    """An article a text."""

    def head(self, first: Record) -> bytes:
        """Everything above the first text."""
        e = first.explanation
        scored = coloured.scored(e)
        return head(
            title=f"{e.model}: {method_line(e)}",
            labels=list(map(visible, e.prediction.probabilities)),
            sides=[] if scored is None else coloured.SIGNED if scored.signed else coloured.UNSIGNED,
            trusted=trust.level(e) is not None,
            filtered=self.style.summary,
        )

    def rows(self, records: Sequence[Record]) -> bytes:
        """The articles."""
        return rendered("texts.html", texts=map(self._text, records))

    def tail(self, found: tally.Tally, *, empty: bool) -> bytes:
        """The summary, where it is wanted, and the script."""
        if empty:
            start = head(title="no text was explained", labels=[], sides=[], trusted=False, filtered=False)
            return start + tail()
        return tail("summary.html", **_summary(found)) if self.style.summary else tail()

    def _text(self, record: Record) -> dict[str, Any]:
        e, row = record.explanation, record.row
        return {
            "name": record.number if row.id is None else visible(str(row.id)),
            "label": visible(e.prediction.label),
            "sure": f"{e.prediction.probability:.4f}",
            "percent": percent(e.prediction.probability),
            "trust": trust.level(e),
            "pieces": coloured.pieces(e),
            "table": list(coloured.table(e)),
            "kept": [(visible(name), visible(str(v))) for name, v in kept(row, self.style.keep).items()],
            "facts": [line for line in plain.body(e) if "\t" not in line] + list(plain.about(e)),
            "open": not self.style.summary,
        }


def _summary(found: tally.Tally) -> dict[str, Any]:
    labels = sorted(found.labels.items(), key=lambda item: -item[1][0])
    tokens = [(visible(label), tally.ranked(counts)[: tally.SHOWN]) for label, counts in sorted(found.tokens.items())]
    return {
        "texts": found.texts,
        "labels": [
            (visible(label), n, n / found.texts, percent(n / found.texts), percent(total / n))
            for label, (n, total) in labels
        ],
        "strongest": tally.STRONGEST,
        "tokens": [(label, [(visible(token), n) for token, n in ranked]) for label, ranked in tokens if ranked],
        "trust": [
            (level, trust.dots(level), found.trust[level]) for level in reversed(trust.FULL) if found.trust[level]
        ],
        "doubted": list(map(visible, found.doubted)),
        "more": found.trust[tally.LOW] - len(found.doubted),
        "attended": list(tally.attended(found)),
        "left_out": tally.reasons(found) if found.left_out else "",
    }


def head(*, compared: bool = False, **said: Any) -> bytes:
    """Everything above the first text: what is ``said`` in its template."""
    return rendered("head.html", compared=compared, scale=coloured.SCALE, **said)


def tail(part: str = "", **said: Any) -> bytes:
    """Everything below the last text; ``part`` is the template of a summary, of what is ``said``."""
    return rendered("tail.html", part=part, **said)


def rendered(name: str, **said: Any) -> bytes:
    """A template filled in; all that is filled in is escaped."""
    return _environment().get_template(name).render(said).encode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    found = Environment(
        loader=PackageLoader("rnnx.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    looks: Mapping[str, Any] = {"themes": coloured.themes(), "marked": coloured.MARKED_STEPS}
    style = found.get_template("page.css").render(looks)
    script = found.get_template("page.js").render()
    ours = {"style": style, "script": script}
    found.globals |= {name: Markup(text) for name, text in ours.items()}  # ours, without a reader's words
    found.globals |= {f"{name}_sum": _checksum(text) for name, text in ours.items()}
    found.globals["dots"] = trust.dots
    return found


def _checksum(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
