"""Orchestration: texts to predictions and explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np

from rnnx import registry, settings
from rnnx.errors import Unexplained, UnknownName, Unsupported
from rnnx.models import catalog
from rnnx.models.batching import BUDGET
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Found, Spans
from rnnx.models.scores import probabilities
from rnnx.models.texts import checked
from rnnx.registry import Method, View
from rnnx.streaming import Hear, computed
from rnnx.types import Attribution, Evidence, Explanation, Item, Phrase, Phrases, Prediction, Token, Trace

if TYPE_CHECKING:
    from rnnx.models.seeds import Rngs

T = TypeVar("T")
DEFAULTS = ("lrp", "ig", "grad-x-input", "grad")  # the most faithful first, see benchmarks/faithfulness.py
VIEW_BUDGET = 1_024  # tokens of a view computed together: its Jacobians take some 30 KB a token


def predict(
    model: Classifier, texts: Iterable[Item], *, fields: Sequence[str] = (), left_out: Hear | None = None
) -> Iterator[Prediction]:
    """One prediction a text, in order. Raises DataError at a text without words.

    A text may be a mapping, of which the model's own fields are read, or those of ``fields``; see ``explain``, also
    for ``left_out``.
    """
    found = computed(model, checked(model, texts, fields), partial(_predicted, model), left_out=left_out)
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
    left_out: Hear | None = None,
    **given: Any,
) -> Iterator[Explanation]:
    """One explanation a text, in order, computed as they are asked for.

    A text is a string, or a mapping of fields ({"title": ..., "body": ...}). Of a mapping those fields are joined
    that the model was trained on (text, for a model of one text), and nothing else; ``fields`` names others.
    ``method`` is a name of ``rnnx methods``; if None it is lrp, or of ig, grad-x-input and grad the first that the
    model can serve and that has the settings asked for. Further keywords are its settings. ``target`` is the label to
    explain, for each text the predicted one if None. ``view`` shows a method's inner quantities instead of its
    scores. ``seed`` is for methods that draw at random: each text has its own draws, the same whatever else is
    explained with it. ``left_out`` is told of each text that the method cannot explain, when its turn comes, and the
    others go on; without it the first one is an error.

    Raises at once UnknownName (method, view, target, setting), ConfigError (a setting's value) or Unsupported
    (the model lacks what the method needs); DataError when it reaches a text without words or, without
    ``left_out``, one that the method cannot explain; UsageError when it reaches what is no text or lacks a field.
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
    found = computed(model, checked(model, texts, fields), compute, budget, left_out)
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

    def result(i: int) -> tuple[Prediction, str, Evidence, dict[str, Any]]:
        n = batch.lengths[i]
        unknown = np.flatnonzero(batch.ids[i, :n] == model.unknown).tolist()
        diagnostics = {name: _number(values[i : i + 1]) for name, values in judged.items()}
        evidence = _evidence(found, i, n, plan)
        return (
            _prediction(model, logits[i]),
            model.labels[target[i]],
            evidence,
            {"unknown_tokens": unknown, **diagnostics},
        )

    return _finite(result, len(logits), plan.view or plan.method.name)


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


def _predicted(model: Classifier, batch: Batch, logits: Array) -> list[Prediction]:
    return _finite(lambda i: _prediction(model, logits[i]), len(logits), "the model")


def _finite(result: Callable[[int], T], count: int, what: str) -> list[T]:
    """The results of texts, one by one. Raises Unexplained for those with a number that is none, or is infinite."""
    found, reasons = [], {}
    for i in range(count):
        try:
            found.append(result(i))
        except FloatingPointError:
            reasons[i] = f"{what} gives numbers too large to compute with"
    if reasons:
        raise Unexplained(reasons, "give shorter texts, or use another method or model")
    return found


def _prediction(model: Classifier, logits: Array) -> Prediction:
    p = _numbers(probabilities(logits[None])[0])
    best = int(np.argmax(p))
    return Prediction(model.labels[best], p[best], dict(zip(model.labels, p, strict=True)), _numbers(logits))


def _number(values: Array) -> int | float:
    """The one number of an array: whole numbers, as counts are, stay whole."""
    return int(values[0]) if np.issubdtype(values.dtype, np.integer) else _numbers(values)[0]


def _numbers(values: Array) -> tuple[float, ...]:
    """Python floats with the digits that single precision has. Raises FloatingPointError if one is not finite."""
    if not np.isfinite(values).all():
        raise FloatingPointError
    return tuple(float(str(value)) for value in values.astype(np.float32))
