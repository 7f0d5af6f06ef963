"""Orchestration: texts to predictions and explanations, in order, computed in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from rnnx import registry, settings
from rnnx.errors import DataError, UnknownName, Unsupported, UsageError, did_you_mean
from rnnx.models import catalog
from rnnx.models.batching import BUDGET, buckets
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Found, Spans
from rnnx.models.scores import probabilities
from rnnx.registry import Method, View
from rnnx.text import fields as joining
from rnnx.types import Attribution, Evidence, Explanation, Item, Phrase, Phrases, Prediction, Token, Trace

if TYPE_CHECKING:
    from rnnx.models.seeds import Rngs

DEFAULTS = ("lrp", "ig", "grad-x-input", "grad")  # the most faithful first, see benchmarks/faithfulness.py
WINDOW = 512  # texts looked at together, to be sorted by length
VIEW_BUDGET = 1_024  # tokens of a view computed together: its Jacobians take some 30 KB a token

Compute = Callable[[Batch, Array], Sequence[Any]]  # a batch and its logits to one result a text


def predict(model: Classifier, texts: Iterable[Item], *, fields: Sequence[str] = ()) -> Iterator[Prediction]:
    """One prediction a text, in order. Raises DataError at a text without words.

    A text may be a mapping, of which the model's own fields are read, or those of ``fields``; see ``explain``.
    """
    found = _computed(model, _texts(model, texts, fields), lambda _, z: [_prediction(model, row) for row in z])
    return (prediction for _, _, prediction in found)


def explain(
    model: Classifier,
    texts: Iterable[Item],
    method: str | None = None,
    *,
    view: str | None = None,
    target: str | None = None,
    seed: int = 0,
    fields: Sequence[str] = (),
    **given: Any,
) -> Iterator[Explanation]:
    """One explanation a text, in order, computed as they are asked for.

    A text is a string, or a mapping of fields ({"title": ..., "body": ...}). Of a mapping those fields are joined
    that the model was trained on (text, for a model of one text), and nothing else; ``fields`` names others.
    ``method`` is a name of ``rnnx methods``; if None it is lrp, or of ig, grad-x-input and grad the first that the
    model can serve and that has the settings asked for. Further keywords are its settings. ``target`` is the label to
    explain, for each text the predicted one if None. ``view`` shows a method's inner quantities instead of its
    scores. ``seed`` is for methods that draw at random: each text has its own draws, the same whatever else is
    explained with it.

    Raises at once UnknownName (method, view, target, setting), ConfigError (a setting's value) or Unsupported
    (the model lacks what the method needs); DataError when it reaches a text without words, UsageError when it
    reaches what is no text or lacks a field.
    """
    seen = None if view is None else registry.view(view)
    row = registry.method(method or (seen.method if seen else _default(model, given)))
    if seen and seen.method != row.name:
        hint = f"leave out --method, or use --method {seen.method}"
        raise Unsupported(f"the view {seen.name} is a view of {seen.method}, not of {row.name}", hint)
    shown = seen or row
    _check_of(model, shown, given)
    plan = _Plan(
        method=row,
        view=view,
        settings=settings.resolve(shown.name, shown.function, given),
        random=settings.signature(shown.function).random,
        target=None if target is None else _label(model, target),
        seed=int(seed),
    )
    _check(model, shown)
    compute = partial(_explained, model, registry.load(shown.function), plan)
    budget = VIEW_BUDGET if seen else BUDGET
    found = _computed(model, _texts(model, texts, fields), compute, budget)
    return (_explanation(model, plan, *row) for row in found)


@dataclass(frozen=True)
class _Plan:
    """What was asked for, checked."""

    method: Method
    view: str | None
    settings: dict[str, Any]
    random: bool
    target: int | None
    seed: int


def _default(model: Classifier, given: Mapping[str, Any]) -> str:
    """The first of the methods that the model can serve that has the settings asked for, and takes their values."""
    rows = [registry.method(name) for name in DEFAULTS]
    rows = [row for row in rows if row.needs <= model.provides] or rows
    if not given:  # which saves reading all their sources
        return rows[0].name
    return max(rows, key=lambda row: settings.fit(row.function, given)).name


def _label(model: Classifier, target: str) -> int:
    if target not in model.labels:
        raise UnknownName("label", target, model.labels)
    return model.labels.index(target)


def _check(model: Classifier, row: Method | View) -> None:
    """Raise Unsupported, with what would work, if the model lacks what the method needs."""
    missing = row.needs - model.provides
    if not missing:
        return
    works = [name for name, other in registry.methods().items() if other.needs <= model.provides]
    hint = f"methods for this model: {', '.join(works)}"
    if "attention" in missing:
        hint += f"; models with attention: {', '.join(catalog.with_attention())}"
    lacking = " and ".join(registry.NEEDS.get(name, name) for name in sorted(missing))
    fault = f"which {model.name} does not have"
    if "recurrence" not in model.provides:  # it may well have it
        fault = f"which rnnx cannot see in {model.name}"
        hint += "; in a network that rnnx trained it sees everything"
    raise Unsupported(f"{row.name} needs {lacking}, {fault}", hint)


def _check_of(model: Classifier, row: Method | View, given: Mapping[str, Any]) -> None:
    """Raise Unsupported, with the methods that can, if more than the logit is asked of what explains nothing else."""
    of = settings.signature(row.function).settings.get("of")
    if of is None or given.get("of") not in set(get_args(settings.Of)) - set(of.choices):
        return
    works = [
        name
        for name, other in registry.methods().items()
        if other.needs <= model.provides and settings.fit(other.function, {"of": "prob"}) == 2
    ]
    message = f"{row.name} shares out the target's logit; it cannot explain {given['of']!r}"
    raise Unsupported(message, f"methods that explain the probability (prob) and the loss too: {', '.join(works)}")


def _explained(model: Classifier, function: Callable[..., Any], plan: _Plan, batch: Batch, logits: Array) -> list[Any]:
    """For each text of a batch: its prediction, target, evidence and diagnostics."""
    predicted = probabilities(logits).argmax(1)
    target = predicted if plan.target is None else np.full_like(predicted, plan.target)
    answer = function(model, batch, target, *_draws(plan, batch), **plan.settings)
    found, judged = answer if isinstance(answer, Diagnosed) else (answer, {})
    results = []
    for i, (n, ids) in enumerate(zip(batch.lengths, batch.ids, strict=True)):
        diagnostics: dict[str, Any] = {"unknown_tokens": np.flatnonzero(ids[:n] == model.unknown).tolist()}
        diagnostics |= {name: _number(values[i : i + 1]) for name, values in judged.items()}
        evidence = _evidence(found, i, n, plan)
        results.append((_prediction(model, logits[i]), model.labels[target[i]], evidence, diagnostics))
    return results


def _draws(plan: _Plan, batch: Batch) -> tuple[Rngs, ...]:
    """The generators that a method that draws at random takes; the others do without numpy's module for them."""
    if not plan.random:
        return ()
    from rnnx.models.seeds import generators

    return (generators(plan.seed, plan.method.name, plan.settings, batch),)


def _evidence(found: Found, i: int, n: int, plan: _Plan) -> Evidence:
    """Of what a method or view computed, that of text i, which has n tokens."""
    if isinstance(found, Spans):
        own = found.text == i
        places = found.start[own].tolist(), found.stop[own].tolist()
        spans = zip(*places, _numbers(found.score[own]), _numbers(found.interaction[own]), strict=True)
        return Phrases(str(plan.view), tuple(Phrase(*span) for span in spans))
    if isinstance(found, dict):
        return Trace(str(plan.view), {name: _numbers(values[i, :n]) for name, values in found.items()})
    return Attribution(_numbers(found[i, :n]), plan.method.signed)


def _explanation(model: Classifier, plan: _Plan, text: str, tokens: tuple[Token, ...], found: Any) -> Explanation:
    prediction, target, evidence, diagnostics = found
    return Explanation(
        text=text,
        tokens=tokens,
        prediction=prediction,
        target=target,
        method=plan.method.name,
        settings=dict(plan.settings),
        seed=plan.seed,
        evidence=evidence,
        diagnostics=diagnostics,
        model=model.name,
    )


Text = tuple[str, tuple[Token, ...]]  # a text and its tokens


def _computed(
    model: Classifier, texts: Iterator[Text], compute: Compute, budget: int = BUDGET
) -> Iterator[tuple[str, tuple[Token, ...], Any]]:
    """(text, tokens, what ``compute`` makes of it) for each text, in order."""
    size = 1  # grows, so that the first answers of a long stream come at once
    while window := list(islice(texts, size)):
        results: list[Any] = [None] * len(window)
        for rows in buckets([len(tokens) for _, tokens in window], budget):
            batch = model.collate([window[i][1] for i in rows])
            for i, result in zip(rows, compute(batch, model.forward(batch)), strict=True):
                results[i] = result
        yield from ((*text, result) for text, result in zip(window, results, strict=True))
        size = min(2 * size, WINDOW)


def tokenize(model: Classifier, item: Item, fields: Sequence[str] = ()) -> Text:
    """A text and its tokens; of a mapping the model's fields, or those that are named. KeyError for a missing one."""
    return joining.tokenize(item, model.tokenize, _order(model, fields))


def _order(model: Classifier, fields: Sequence[str]) -> tuple[str, ...]:
    given = (fields,) if isinstance(fields, str) else tuple(fields)
    return given or model.fields or ("text",)


def _texts(model: Classifier, texts: Iterable[Item], fields: Sequence[str]) -> Iterator[Text]:
    """Texts and their tokens. Raises at once UsageError for one text in place of several."""
    if isinstance(texts, str | Mapping):
        raise UsageError("texts is one text", "give a list: [text]")
    return (_tokens(model, item, i, _order(model, fields)) for i, item in enumerate(texts))


def _tokens(model: Classifier, item: Item, index: int, order: tuple[str, ...]) -> Text:
    """A text and its tokens. Raises UsageError for what is no text or lacks a field, DataError without words."""
    for name in order if isinstance(item, Mapping) else ():
        if name not in item:
            hint = did_you_mean(name, sorted(map(str, item))) or "it is empty"
            raise UsageError(f"text {index} has no field {name!r}", hint)
    for value in [item[name] for name in order] if isinstance(item, Mapping) else [item]:
        if not isinstance(value, str):
            raise UsageError(f"text {index} is of type {type(value).__name__}", "texts and fields are strings")
    text, tokens = tokenize(model, item, order)
    if not tokens:
        raise DataError(f"text {index} has no words in it: {text!r}", "give at least one word")
    return text, tokens


def _prediction(model: Classifier, logits: Array) -> Prediction:
    p = _numbers(probabilities(logits[None])[0])
    best = int(np.argmax(p))
    return Prediction(model.labels[best], p[best], dict(zip(model.labels, p, strict=True)), _numbers(logits))


def _number(values: Array) -> int | float:
    """The one number of an array: whole numbers, as counts are, stay whole."""
    return int(values[0]) if np.issubdtype(values.dtype, np.integer) else _numbers(values)[0]


def _numbers(values: Array) -> tuple[float, ...]:
    """Python floats with the digits that single precision has."""
    return tuple(float(str(value)) for value in values.astype(np.float32))
