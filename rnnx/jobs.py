"""A file of texts as a job: windows of its rows, each to the bytes of its explanations, by one process or by several.

What a window comes to depends on its rows and the plan, and on nothing else; so it can be computed anywhere, in any
order, and again.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from rnnx import __version__, explaining, loading
from rnnx.data.readers import ARGUMENT, Fault, Row
from rnnx.errors import Unexplained
from rnnx.models import batching, catalog
from rnnx.models.texts import WORDLESS, Text, tokenize
from rnnx.render.tally import Tally
from rnnx.render.writers import FORMATS, Record, Style, writer
from rnnx.streaming import sizes
from rnnx.types import Explanation, LeftOut

LONGEST = 20_000  # tokens of a text of a file: with a view, which keeps Jacobians, these take 600 MB
LINES = "\t\n\v\f\r"  # the control characters that belong to texts


@dataclass(frozen=True)
class Plan:
    """What is to be done: the model, the arguments of ``explaining.explainer``, the format; ``zipped``, or not; ``by``
    and ``check`` as for ``attending.again``.

    It can be sent to another process.
    """

    model: str
    asked: Mapping[str, Any]
    style: Style
    fields: tuple[str, ...] = ()
    engine: str | None = None
    device: str | None = None
    zipped: bool = False
    by: str | None = None
    check: bool = False


class Window(NamedTuple):
    """Rows that are computed together: the number of the first, what they come to, and a checksum of all up to them."""

    number: int
    entries: Sequence[Any]
    digest: str

    @property
    def end(self) -> int:
        """The number of the row after the last one."""
        return self.number + len(self.entries)


@dataclass
class Chunk:
    """What a window comes to.

    ``head`` is what the file begins with if these are its first explanations. ``rows`` up to number ``end`` are done,
    whose checksum is ``digest``.
    """

    end: int
    digest: str
    head: bytes = b""
    rows: bytes = b""
    left_out: list[LeftOut] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def windows(entries: Iterable[Any], most: int | None = None, before: int = 0) -> Iterator[Window]:
    """Rows, few at first and then as many as are always computed together, see ``Job.most``; without so many windows
    ``before`` them.
    """
    stream, number, digest = iter(entries), sum(islice(sizes(most), before)), ""
    for size in islice(sizes(most), before, None):
        found = list(islice(stream, size))
        if not found:
            return
        content = repr((digest, found)).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        yield Window(number, found, digest)
        number += len(found)


def computed(job: Job, found: Iterable[Window], workers: int = 1) -> Iterator[Chunk]:
    """What windows come to, in order: by ``job`` here, or by so many processes that each make their own."""
    if workers == 1:
        return map(job, found)
    from rnnx import pool  # costs time to import, and one process needs none of it

    return pool.ordered(job.elsewhere(), found, workers)


class Job:
    """Windows to chunks. A window has at ``most`` so many rows, or as many as usual; it writes one of ``formats``."""

    most: int | None = None
    formats: Mapping[str, str] = FORMATS

    def __init__(self, style: Style, *, zipped: bool) -> None:
        self.style, self.zipped, self.writer = style, zipped, writer(style, self.formats)

    def __call__(self, window: Window) -> Chunk:
        """What a window comes to."""
        chunk = Chunk(window.end, window.digest)
        records: list[Any] = []
        for found in self.found(window):
            if isinstance(found, LeftOut):
                chunk.left_out.append(found)
                chunk.tally.leave_out(found)
            else:
                records.append(found)
                self.count(chunk.tally, found)
        if records:
            chunk.head = self.packed(self.writer.head(records[0]))
            chunk.rows = self.packed(self.writer.rows(records))
        return chunk

    def packed(self, data: bytes) -> bytes:
        """The bytes as they are written; what is packed by itself can stand one behind the other."""
        return gzip.compress(data, mtime=0) if data and self.zipped else data

    def found(self, window: Window) -> Iterator[Any]:
        """Of each row its record, or the LeftOut that says why it has none, in order."""
        raise NotImplementedError

    def count(self, tally: Tally, record: Any) -> None:
        """Count a record: an explanation, in most jobs."""
        tally.add(record.explanation, record.row.where)

    def elsewhere(self) -> Callable[[], Job]:
        """What makes the same in another process."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What the bytes depend on beside the rows, as plain JSON values."""
        return {"rnnx": __version__, "numpy": np.__version__, "style": asdict(self.style), "zipped": self.zipped}


class Asking(Job):
    """Asks the model of a plan about rows. Raises ModelError, UsageError."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.style, zipped=plan.zipped)
        self.plan = plan
        self.model = loading.load(plan.model, engine=plan.engine, device=plan.device)

    def found(self, window: Window) -> Iterator[Any]:
        """Ask about the rows together."""
        texts = [entry if isinstance(entry, LeftOut) else self.text(entry) for entry in window.entries]
        answers = self.answers([text for text in texts if not isinstance(text, LeftOut)])
        for number, (entry, text) in enumerate(zip(window.entries, texts, strict=True), window.number):
            if isinstance(text, LeftOut):
                yield text
            elif isinstance(answer := next(answers), Unexplained):
                yield LeftOut(entry.where, answer.message, hint=answer.hint)
            else:
                yield self.record(number, entry, answer)

    def text(self, row: Row) -> Text | LeftOut:
        """The tokens of a row, or why there is nothing to ask about."""
        text, tokens = tokenize(self.model, row.item, self.plan.fields)
        if not tokens:
            return LeftOut(row.where, WORDLESS, hint=f"give at least one word, not only {text[:40]!r}")
        return text, tokens

    def answers(self, texts: Sequence[Text]) -> Iterator[Any]:
        """What is found of each text, or the Unexplained that says why nothing is."""
        raise NotImplementedError

    def record(self, number: int, row: Row, answer: Any) -> Any:
        """What is written of a row."""
        return Record(number, row, answer)

    def describe(self) -> dict[str, Any]:
        """The model by its content."""
        plan, digest = self.plan, hashlib.blake2b(digest_size=8)
        for file in catalog.files(plan.model):
            digest.update(file.read_bytes())
        asked = {"model": plan.model, "weights": digest.hexdigest(), "engine": plan.engine, "device": plan.device}
        return {**super().describe(), **asked, "fields": plan.fields}


class Explaining(Asking):
    """Explains rows as planned; see ``explaining.explain`` for what is raised while it is made.

    ``left_out`` hears of bad rows of files that settings name.
    """

    def __init__(self, plan: Plan, left_out: Fault | None = None) -> None:
        super().__init__(plan)
        told = left_out or (lambda what: None)
        self.explainer = explaining.explainer(self.model, fields=plan.fields, left_out=told, **plan.asked)
        self.most = self.explainer.most
        self.answers([])  # which raises at once what it would later

    def answers(self, texts: Sequence[Text]) -> Iterator[Explanation | Unexplained]:
        """Explanations with what was asked for beside them."""
        plan, found = self.plan, self.explainer(texts)
        if plan.by is None and not plan.check:
            return iter(found)
        from rnnx import attending  # which most do without

        good, seed = [e for e in found if isinstance(e, Explanation)], int(plan.asked.get("seed", 0))
        looked_at = attending.again(self.model, good, by=plan.by, check=plan.check, seed=seed)
        return (e if isinstance(e, Unexplained) else next(looked_at) for e in found)

    def text(self, row: Row) -> Text | LeftOut:
        """The tokens of a row, or why it cannot be explained."""
        if strange := _control(row):
            return LeftOut(row.where, "control characters in the text", strange, hint="take them out")
        found = super().text(row)
        if not isinstance(found, LeftOut) and len(found[1]) > LONGEST:
            return LeftOut(row.where, f"more than {LONGEST:,} tokens", f"it has {len(found[1]):,}", hint="split it")
        return found

    def elsewhere(self) -> Callable[[], Job]:
        """The plan is all that is needed."""
        return partial(planned, Explaining, self.plan)

    def describe(self) -> dict[str, Any]:
        """The model, and the method."""
        again = {"by": self.plan.by, "check": self.plan.check}
        return {**super().describe(), **again, **self.explainer.describe()}


def planned(kind: Callable[[Plan], Job], plan: Plan) -> Job:
    """Such a job, in a process of its own."""
    batching.hold_memory()
    return kind(plan)


def _control(row: Row) -> str:
    """The first character of a text that no text has, as U+0000; those that end lines and paragraphs are usual."""
    if row.text.isprintable() or row.where == ARGUMENT:  # who types one means it
        return ""
    return next((f"U+{ord(c):04X}" for c in row.text if c < " " and c not in LINES), "")
