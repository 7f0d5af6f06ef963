"""Orchestration: methods against metrics over texts, text by text."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, NamedTuple, cast, get_args

import numpy as np

from rnnx import registry, settings
from rnnx.choosing import usable
from rnnx.data.readers import Row
from rnnx.errors import UnknownName, Unsupported, UsageError
from rnnx.explainers import RANDOM, Explainer, among, explainer, served
from rnnx.metrics.limits import limits
from rnnx.metrics.plausibility import Marked
from rnnx.metrics.ranking import importance
from rnnx.models.batching import buckets
from rnnx.models.digits import numbers
from rnnx.models.protocols import Array, Batch, Classifier, Integers
from rnnx.models.scores import probabilities
from rnnx.models.seeds import generators
from rnnx.models.texts import tokenize
from rnnx.registry import Metric
from rnnx.settings import FixedRemoval
from rnnx.types import Token

TOGETHER = 2048  # tokens of texts that are explained together: small, so that little is lost by an interruption
MARKS = "give a field of [start, end] pairs with --marks-field"
Value = float | tuple[float, ...] | None
Done = Collection[tuple[int, str]]  # texts and methods


class Record(NamedTuple):
    """What the metrics say of one method's explanation of text ``text``, counted from 0; None where they say nothing.

    ``scores`` has one number a token, and none for a text that the method cannot explain.
    """

    text: int
    method: str
    values: Mapping[str, Value]
    milliseconds: float
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A text to explain: its tokens, which of them people have marked, if they were asked, and its label, if known."""

    text: str
    tokens: tuple[Token, ...]
    marked: tuple[bool, ...] | None = None
    label: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """What is measured: methods with their settings, metrics with theirs, texts, and how tokens are taken away."""

    model: Classifier
    texts: Sequence[Judged]
    methods: Mapping[str, Explainer]
    metrics: Mapping[str, Metric]
    removal: FixedRemoval = "delete"
    seed: int = 0
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # the metrics' settings that were given
    share: float = field(init=False)  # of a text that is marked, on average

    def __post_init__(self) -> None:
        shares = [sum(text.marked) / len(text.marked) for text in self.texts if text.marked and any(text.marked)]
        object.__setattr__(self, "share", float(np.mean(shares)) if shares else 0.0)

    def records(self, done: Done = ()) -> Iterator[Record]:
        """One record for each text and method that is not done yet, in batches of like length."""
        for rows in buckets([len(text.tokens) for text in self.texts], TOGETHER):
            missing = {name: [i for i in rows if (i, name) not in done] for name in self.methods}
            wanted = sorted({i for chosen in missing.values() for i in chosen})
            if wanted:
                part = _Part(self, wanted)
                for name, chosen in missing.items():
                    if chosen:
                        yield from part.records(self.methods[name], chosen)


class _Part:
    """Some texts of an evaluation, computed together; what depends on no method is computed once."""

    def __init__(self, whole: Evaluation, rows: list[int]) -> None:
        self.whole, self.rows, model = whole, np.array(rows), whole.model
        self.batch = collated(model, [whole.texts[i] for i in rows])
        self.target: Integers = probabilities(model.forward(self.batch)).argmax(axis=1)
        self.functions = {name: registry.load(row.function) for name, row in whole.metrics.items()}
        self.wants = {name: list(signature(function).parameters) for name, function in self.functions.items()}
        self.shared: dict[str, Any] = {}
        if any("limits" in wants for wants in self.wants.values()):
            self.shared["limits"] = limits(model, self.batch, self.target, removal=whole.removal)
        if any("marked" in wants for wants in self.wants.values()):
            self.shared["marked"] = self._marked()

    def _marked(self) -> Marked:
        tokens = np.zeros(self.batch.ids.shape, bool)
        for own, i in zip(tokens, self.rows.tolist(), strict=True):
            marked = self.whole.texts[i].marked or ()
            own[: len(marked)] = marked
        return Marked(tokens, self.whole.share)

    def records(self, method: Explainer, rows: list[int]) -> Iterator[Record]:
        """What the metrics say of a method; the texts that are asked for are among those of the part."""
        start = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is left out
            found = method.diagnosed(self.whole.model, self.batch, self.target)
        scores: Any = found.found
        spent = 1000 * (time.perf_counter() - start) / len(self.rows)
        fine = np.flatnonzero(~np.isnan(scores[:, 0]))
        values = {name: self._measured(name, method, scores, found.diagnostics, fine) for name in self.functions}
        for place, i in enumerate(self.rows.tolist()):
            if i in rows:
                own = {name: _plain(column[place]) for name, column in values.items()}
                n = int(self.batch.lengths[place]) if place in fine else 0
                yield Record(i, method.name, own, spent, tuple(numbers(scores[place, :n])))

    def _measured(
        self, name: str, method: Explainer, scores: Array, diagnostics: Mapping[str, Array], fine: Integers
    ) -> Array:
        """A metric of all texts, nan for those that are not ``fine``."""
        if not len(fine) or ("explain" in self.wants[name] and not method.again):
            return np.full(len(scores), np.nan)
        batch, whole = among(self.batch, fine), self.whole
        known: dict[str, Callable[[], Any]] = {
            "signed": lambda: method.signed,
            "explain": lambda: method,
            "diagnostics": lambda: {key: values[fine] for key, values in diagnostics.items()},
            "limits": lambda: self.shared["limits"].among(fine),
            "marked": lambda: self.shared["marked"].among(fine),
            "rngs": lambda: generators(whole.seed, name, {}, batch),
            "removal": lambda: whole.removal,
        }
        given = {key: make() for key, make in known.items() if key in self.wants[name]}
        given |= whole.options.get(name, {})
        as_they_are = "signed" in given or "explain" in given
        ranked = scores[fine] if as_they_are else importance(scores[fine], method.signed)
        found = self.functions[name](whole.model, batch, self.target[fine], ranked, **given)
        every = np.full((len(scores), *found.shape[1:]), np.nan)
        every[fine] = found
        return every


def _plain(value: Array) -> Value:
    """A number, a pair, or None where there is none."""
    if np.isnan(value).any():
        return None
    return float(value) if value.ndim == 0 else tuple(value.tolist())


def judged(model: Classifier, rows: Iterable[Row], fields: Sequence[str] = ()) -> list[Judged]:
    """Texts and their tokens, of which those are marked that share a character with a marked span."""
    found = []
    for row in rows:
        text, tokens = tokenize(model, row.item, fields)
        marks = row.marks
        marked = None if marks is None else tuple(any(t.start < b and t.end > a for a, b in marks) for t in tokens)
        found.append(Judged(text, tokens, marked, row.label))
    return found


def collated(model: Classifier, texts: Sequence[Judged]) -> Batch:
    """The texts as one batch."""
    return model.collate([text.tokens for text in texts], [text.text for text in texts])


def possible(model: Classifier, texts: Sequence[Judged]) -> list[str]:
    """All metrics that the model and the texts can serve."""
    people = _marked(texts)
    return [
        row.name
        for row in usable(registry.metrics()).values()
        if row.needs <= model.provides and (people or not row.marks)
    ]


def _marked(texts: Sequence[Judged]) -> bool:
    """Whether people have marked anything."""
    return any(text.marked and any(text.marked) for text in texts)


def evaluation(
    model: Classifier,
    texts: Sequence[Judged],
    methods: Sequence[str | Explainer] = (),
    metrics: Sequence[str] = (),
    *,
    removal: str = "delete",
    seed: int = 0,
    given: Mapping[str, Mapping[str, Any]] | None = None,
) -> Evaluation:
    """What is to be measured: all methods that the model can serve, or those given, beside the baseline ``random``.

    ``metrics``: the usual ones that the model and the texts can serve, or those named. ``given`` are settings, by
    method or metric. Raises UnknownName, UsageError for two methods of one name and for settings of what is not
    measured, ConfigError for a setting, Unsupported for what cannot be served.
    """
    names, chosen = methods or served(model), [registry.metric(name) for name in metrics]
    people = _marked(texts)
    for row in chosen:
        if row.marks and not people:
            raise Unsupported(f"{row.name} compares with what people marked, and no text has that", MARKS)
        if row.needs - model.provides:
            lacking = " and ".join(registry.NEEDS.get(name, name) for name in sorted(row.needs - model.provides))
            raise Unsupported(f"{row.name} needs {lacking}, which {model.name} does not have", "leave it out")
    every = {} if chosen else usable(registry.metrics())
    usual = [row for row in every.values() if row.usual and (people or not row.marks)]
    if removal not in get_args(FixedRemoval):
        raise UnknownName("removal", removal, get_args(FixedRemoval))
    made = (
        method if isinstance(method, Explainer) else explainer(model, method, (given or {}).get(method, {}), seed)
        for method in [RANDOM, *names]
    )
    explainers: dict[str, Explainer] = {}
    for method in made:
        if method.name in explainers:
            raise UsageError(f"two methods are called {method.name}", "give the file of explanations another name")
        explainers[method.name] = method
    rows = {row.name: row for row in chosen or usual}
    options = _options(rows, explainers, given or {})
    return Evaluation(model, texts, explainers, rows, cast(FixedRemoval, removal), seed, options)


def _options(
    rows: Mapping[str, Metric], methods: Collection[str], given: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The settings of the metrics that were given, checked. Raises UnknownName, ConfigError; UsageError for those of
    what is neither a metric nor one of the ``methods``.
    """
    if others := sorted(given.keys() - rows.keys() - set(methods)):
        hint = f"measured are {', '.join([*methods, *rows])}"
        raise UsageError(f"a setting is given for {others[0]}, which is not measured", hint)
    found = {name: settings.resolve(name, row.function, given[name]) for name, row in rows.items() if name in given}
    return {name: {setting: values[setting] for setting in given[name]} for name, values in found.items()}
