"""Orchestration: explanations of the same texts side by side, by several methods or of several models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, tee
from typing import Any

from rnnx import registry, settings
from rnnx.choosing import DEFAULTS as FAITHFUL
from rnnx.choosing import usable
from rnnx.comparisons import Comparison, Side, What
from rnnx.contending import Answer, Asked, Column, Contender, answers, checked, faithfulness
from rnnx.data.readers import Fault
from rnnx.errors import DataError, UnknownName, Unsupported, UsageError
from rnnx.metrics.sides import compared
from rnnx.models.protocols import Classifier
from rnnx.models.texts import checked as checked_texts
from rnnx.types import Item, LeftOut

DEFAULTS = ("lrp", "ig", "occlusion", "grad-x-input", "grad", "attention")
WITHOUT_GRADIENTS = ("occlusion", "lime", "kernel-shap")
WINDOW = 128  # texts explained by one contender before the next one's turn


def compare(
    model: Classifier,
    texts: Iterable[Item],
    methods: Sequence[str] | str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    target: str | None = None,
    seed: int = 0,
    fields: Sequence[str] = (),
    left_out: Fault | None = None,
) -> Iterator[Comparison]:
    """For each text the explanations of several methods, how far they agree, and how faithful each is; in order.

    ``methods`` are names, or "all"; by default lrp, ig, occlusion, grad-x-input, grad and attention, those of them that
    the model can serve; of a model without gradients occlusion, lime and kernel-shap. ``settings``: of one method by a
    dotted name ({"ig.steps": 64}), of all that have it by its name alone ({"of": "prob"}). What the model cannot serve,
    or a method cannot explain of a text, is in ``refused`` with the reason, and the others go on. ``target``, ``seed``,
    ``fields`` and ``left_out`` as in ``explain``.

    Scores are compared on one scale, divided by the largest absolute one of the method. How faithful a method is says
    its comprehensiveness: how far the probability falls when tokens are taken away in the order of their scores, where
    0 is the worst order of them and 1 the best. Time and passes are means over texts that were explained together;
    what takes little time is done three times, and the fastest counts.

    Raises UnknownName and ConfigError (methods, settings), Unsupported if no method is left, and what ``explain``
    raises of a text.
    """
    names = _names(model, methods)
    given = _settings(names, settings or {})
    contenders = [Contender(name, model, name, given[name]) for name in names]
    return _compared("methods", contenders, texts, Asked(target, int(seed), tuple(fields)), left_out)


def compare_models(
    models: Sequence[Classifier],
    texts: Iterable[Item],
    method: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    target: str | None = None,
    seed: int = 0,
    fields: Sequence[str] = (),
    left_out: Fault | None = None,
) -> Iterator[Comparison]:
    """The same of models with the same labels by one method, as before and after another training.

    All explain the same label: the ``target``, or what the first of them predicts. ``method``, by default the first
    of lrp, ig, grad-x-input and grad that all can serve, and the rest as in ``compare``; ``fields`` are those of
    the first one. Raises UsageError for models with other labels than the first one's, and what ``compare`` raises.
    """
    first, *others = models
    for other in others:
        if set(other.labels) != set(first.labels):
            said = " and ".join(", ".join(model.labels) for model in (first, other))
            raise UsageError(f"the models have different labels: {said}", "compare models of the same labels")
    name = registry.method(method).name if method else _served_by_all(models)
    given = _settings([name], settings or {})[name]
    named = zip(_aliases(models), models, strict=True)
    contenders = [Contender(alias, model, name, given) for alias, model in named]
    asked = Asked(target, int(seed), tuple(fields) or first.fields)
    return _compared("models", contenders, texts, asked, left_out)


def _names(model: Classifier, methods: Sequence[str] | str | None) -> list[str]:
    """The methods that are asked for, each once. Raises UnknownName."""
    if methods is None:
        usual = DEFAULTS if "gradients" in model.provides else WITHOUT_GRADIENTS
        return [name for name in usual if registry.method(name).needs <= model.provides]
    if methods == "all":
        return list(usable(registry.methods()))
    return [registry.method(name).name for name in dict.fromkeys([methods] if isinstance(methods, str) else methods)]


def _served_by_all(models: Sequence[Classifier]) -> str:
    served = [name for name in FAITHFUL if all(registry.method(name).needs <= model.provides for model in models)]
    return served[0] if served else "occlusion"


def _aliases(models: Sequence[Classifier]) -> list[str]:
    """Their names; with a number where two have the same."""
    names = [model.name for model in models]
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, 1)]


def _settings(names: Sequence[str], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of each method; a dotted name goes before a bare one.

    Raises UnknownName for a method that is not compared, and for what no method has.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    known = {name: settings.signature(registry.method(name).function).settings for name in names}
    for key in sorted(given, key=lambda key: "." in key):
        owner, _, setting = key.rpartition(".")
        if owner and owner not in found:
            raise UnknownName("method in a setting", owner, names)
        owners = [owner] if owner else [name for name in names if setting in known[name]]
        if not owners:
            raise UnknownName("setting of these methods", setting, {name for own in known.values() for name in own})
        for name in owners:
            found[name][setting] = given[key]
    return found


@dataclass(frozen=True)
class _Plan:
    """Who is compared, why others cannot be, and what they are asked."""

    what: What
    contenders: Sequence[Contender]
    lacking: Mapping[str, str]
    asked: Asked
    left_out: Fault | None


def _compared(
    what: What, contenders: Sequence[Contender], texts: Iterable[Item], asked: Asked, left_out: Fault | None
) -> Iterator[Comparison]:
    contenders = [checked(contender, asked) for contender in contenders]
    lacking = {c.name: c.lacks for c in contenders if c.lacks}
    able = [c for c in contenders if not c.lacks]
    if not able or (lacking and what == "models"):
        raise Unsupported("; ".join(dict.fromkeys(lacking.values())), "rnnx methods lists what each method needs")
    given, again = (texts, texts) if isinstance(texts, str | Mapping) else tee(texts)
    fine = checked_texts(able[0].model, given, asked.fields)  # says which text it is, of all of them
    items = (item for item, _ in zip(again, fine, strict=True))
    return _stream(_Plan(what, able, lacking, asked, left_out), items)


def _stream(plan: _Plan, texts: Iterator[Item]) -> Iterator[Comparison]:
    size, index = 1, 0  # the window grows, so that the first answers of a long stream come at once
    while window := list(islice(texts, size)):
        for found in _window(plan, window, index == 0):
            if isinstance(found, Comparison):
                yield found
            elif plan.left_out:
                plan.left_out(found._replace(where=f"text {index}", text=index))
            else:
                raise DataError(f"text {index}: {found.reason}", found.detail)
            index += 1
        size = min(4 * size, WINDOW)


def _window(plan: _Plan, texts: Sequence[Item], first: bool) -> Iterator[Comparison | LeftOut]:
    """Of each text the comparison, or why there is none: no method can explain it, or one of the models."""
    tell = plan.left_out if first else None  # what is wrong with a file that a setting names is said once
    labels: list[str | None] = [plan.asked.label] * len(texts)
    columns: list[Column] = []
    for contender in plan.contenders:
        column = answers(contender, texts, labels, plan.asked, tell)
        if plan.what == "models" and not columns:
            labels = [a.explanation.target if isinstance(a, Answer) else None for a in column]
        columns.append(column)
    faithful, random = _faithful(plan, columns)
    for row, shares, chance in zip(zip(*columns, strict=True), zip(*faithful, strict=True), random, strict=True):
        named = list(zip(plan.contenders, row, shares, strict=True))
        there = [_side(c.name, answer, share) for c, answer, share in named if isinstance(answer, Answer)]
        missing = {c.name: answer for c, answer, _ in named if isinstance(answer, LeftOut)}
        if there and (plan.what == "methods" or not missing):
            refused = {name: what.reason for name, what in missing.items()}
            yield compared(plan.what, there, {**plan.lacking, **refused}, chance)
        else:
            yield next(iter(missing.values()))


def _faithful(plan: _Plan, columns: Sequence[Column]) -> tuple[list[list[float | None]], list[float | None]]:
    """Of each contender and text, and of random orders: of several models the mean."""
    if plan.what == "methods":
        return faithfulness(plan.contenders[0].model, columns, plan.asked.seed)
    own = [faithfulness(c.model, [column], plan.asked.seed) for c, column in zip(plan.contenders, columns, strict=True)]
    chance = [[value for value in values if value is not None] for values in zip(*(r for _, r in own), strict=True)]
    return [found[0] for found, _ in own], [sum(values) / len(values) if values else None for values in chance]


def _side(name: str, answer: Answer, faithful: float | None) -> Side:
    """An answer beside others."""
    e = answer.explanation
    return Side(name, e, answer.evidence.signed, faithful, answer.milliseconds, answer.passes)
