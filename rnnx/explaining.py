"""Orchestration: texts to predictions and explanations."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from rnnx import registry, results, settings
from rnnx.choosing import choose
from rnnx.data.readers import Fault
from rnnx.errors import Unexplained, UnknownName
from rnnx.models.batching import BUDGET
from rnnx.models.digits import finite, numbers
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Integers
from rnnx.models.scores import probabilities
from rnnx.models.texts import Text, checked, references
from rnnx.registry import Method, View
from rnnx.streaming import Compute, Windowed, computed, window
from rnnx.types import Evidence, Explanation, Item, LeftOut, Prediction, Token

if TYPE_CHECKING:
    from rnnx.models.seeds import Rngs

TRUST = ("off", "fast", "full")
VIEW_BUDGET = 1_024  # tokens of a view computed together: its Jacobians take some 30 KB a token


def predict(
    model: Classifier, texts: Iterable[Item], *, fields: Sequence[str] = (), left_out: Fault | None = None
) -> Iterator[Prediction]:
    """One prediction a text, in order. Raises DataError at a text without words.

    A text may be a mapping, of which the model's own fields are read, or those of ``fields``; see ``explain``, also
    for ``left_out``.
    """
    found = computed(checked(model, texts, fields), predictor(model), left_out)
    return (prediction for _, _, prediction in found)


def predictor(model: Classifier) -> Windowed:
    """What predicts texts window by window: of each its prediction, or the Unexplained that says why there is none."""
    return partial(window, model, compute=_predicted)


def explain(
    model: Classifier,
    texts: Iterable[Item],
    method: str | None = None,
    *,
    view: str | None = None,
    target: str | None = None,
    seed: int = 0,
    trust: str = "off",
    fields: Sequence[str] = (),
    left_out: Fault | None = None,
    **given: Any,
) -> Iterator[Explanation]:
    """One explanation a text, in order, computed as they are asked for.

    A text is a string, or a mapping of fields ({"title": ..., "body": ...}). Of a mapping those fields are joined
    that the model was trained on (text, for a model of one text), and nothing else; ``fields`` names others.
    ``method`` is a name of ``rnnx methods``; if None it is lrp, or of ig, grad-x-input and grad the first that the
    model can serve and that has the settings asked for. Further keywords are its settings. ``target`` is the label to
    explain, for each text the predicted one if None. ``view`` shows a method's inner quantities instead of its
    scores. ``seed`` is for methods that draw at random: each text has its own draws, the same whatever else is
    explained with it. ``trust``: fast adds to the diagnostics whether the scores are to be believed, from four changed
    texts, full measures it, which takes as long as many explanations; see ``rnnx.metrics.trust``. ``left_out`` is told
    of each text that the method cannot explain, when its turn comes, and the others go on; without it the first one is
    an error. It is also told of bad rows of a file that a setting names, which are warned of without it.

    Raises at once UnknownName (method, view, target, setting), ConfigError (a setting's value), DataError (a file
    that a setting names) or Unsupported (the model lacks what the method needs); when it reaches one, DataError for a
    text without words or, without ``left_out``, that the method cannot explain, and UsageError for what is no text or
    lacks a field.
    """
    told = left_out or _warn
    together = explainer(
        model, method, view=view, target=target, seed=seed, trust=trust, fields=fields, left_out=told, **given
    )
    return (e for _, _, e in computed(checked(model, texts, fields), together, left_out, together.most))


@dataclass(frozen=True)
class Explainer:
    """Explains some texts, all of them together, as it was planned; see ``explain``. ``most``: not more than so many.

    ``describe`` says in plain JSON values what the explanations depend on beside the model and the texts.
    """

    model: Classifier
    plan: _Plan
    compute: Compute
    budget: int
    most: int | None = None

    def __call__(self, texts: Sequence[Text]) -> list[Explanation | Unexplained]:
        """Of each text its explanation, or the reason why there is none."""
        found = window(self.model, texts, self.compute, self.budget, inside=bool(self.plan.method.needs))
        return [
            result if isinstance(result, Unexplained) else _explanation(self.model, self.plan, *text, result)
            for text, result in zip(texts, found, strict=True)
        ]

    def describe(self) -> dict[str, Any]:
        """Method, view, settings, target, seed and trust, and a checksum of the files that settings name."""
        plan = self.plan
        read = [ids for name, ids in plan.arguments.items() if plan.settings[name] is not ids]
        return {
            "method": plan.method.name,
            "view": plan.view,
            "settings": dict(plan.settings),
            "target": plan.target,
            "seed": plan.seed,
            "trust": plan.trust,
            "read": zlib.crc32(b"".join(np.concatenate(ids).astype("<i8").tobytes() for ids in read)),
        }


def explainer(
    model: Classifier,
    method: str | None = None,
    *,
    view: str | None = None,
    target: str | None = None,
    seed: int = 0,
    trust: str = "off",
    fields: Sequence[str] = (),
    left_out: Fault | None = None,
    **given: Any,
) -> Explainer:
    """What explains texts window by window, with the arguments of ``explain``, which says what it raises."""
    row, seen = choose(model, method, view, given)
    shown = seen or row
    chosen = settings.resolve(shown.name, shown.function, given)
    label = None if target is None else _label(model, target)
    plan = _Plan(
        method=row,
        view=view,
        settings=chosen,
        arguments=chosen | _files(model, shown, chosen, fields, left_out or _warn),
        random=settings.signature(shown.function).random,
        target=label,
        seed=int(seed),
        trust=_trust(trust),
    )
    compute = partial(_explained, registry.load(shown.function), plan)
    return Explainer(model, plan, compute, VIEW_BUDGET if seen else BUDGET, row.together)


@dataclass(frozen=True)
class _Plan:
    """What was asked for, checked."""

    method: Method
    view: str | None
    settings: dict[str, Any]
    arguments: dict[str, Any]  # the settings, with what stands in a file in place of its name
    random: bool
    target: int | None
    seed: int
    trust: str


def _files(
    model: Classifier, row: Method | View, chosen: Mapping[str, Any], fields: Sequence[str], fault: Fault
) -> dict[str, list[Integers]]:
    """What stands in the files that settings name, as ids. Raises DataError."""
    known = settings.signature(row.function).settings
    named = [name for name, value in chosen.items() if known[name].kind == "Texts" and value is not None]
    return {name: references(model, chosen[name], fields, fault) for name in named}


def _warn(what: LeftOut) -> None:
    warnings.warn(f"{what}; left out", stacklevel=2)


def _label(model: Classifier, target: str) -> int:
    if target not in model.labels:
        raise UnknownName("label", target, model.labels)
    return model.labels.index(target)


def _trust(asked: str) -> str:
    if asked not in TRUST:
        raise UnknownName("trust", asked, TRUST)
    return asked


def _explained(function: Callable[..., Any], plan: _Plan, model: Classifier, batch: Batch, logits: Array) -> list[Any]:
    """For each text of a batch: its prediction, target, evidence and diagnostics."""
    predicted = probabilities(logits).argmax(1)
    target = predicted if plan.target is None else np.full_like(predicted, plan.target)

    def answer(seed: int) -> Diagnosed:
        given = function(model, batch, target, *_draws(plan, batch, seed), **plan.arguments)
        return given if isinstance(given, Diagnosed) else Diagnosed(given, {})

    found, judged = answer(plan.seed)
    trusted: Sequence[dict[str, Any]] = [{}] * len(logits)
    if plan.trust != "off" and isinstance(found, np.ndarray):
        from rnnx.metrics import trust

        case = trust.Case(model, batch, target, logits, found)
        again = (lambda seed: cast(Array, answer(seed).found)) if plan.random else None
        trusted = [{"trust": facts} for facts in trust.judged(case, judged, plan.trust, plan.seed, again)]
    evidence = results.evidence(found, batch, plan.view, signed=plan.method.signed)
    predictions = results.predictions(model, logits)
    judgements = {name: numbers(values) for name, values in judged.items()}
    unknown = batch.ids == model.unknown

    def result(i: int) -> tuple[Prediction, str, Evidence, dict[str, Any]]:
        strange = np.flatnonzero(unknown[i, : batch.lengths[i]]).tolist()
        diagnostics = {name: finite(values[i : i + 1])[0] for name, values in judgements.items()}
        judgement = {"unknown_tokens": strange, **diagnostics, **trusted[i]}
        return predictions(i), model.labels[target[i]], evidence(i), judgement

    return results.each(result, len(logits), plan.view or plan.method.name)


def _draws(plan: _Plan, batch: Batch, seed: int) -> tuple[Rngs, ...]:
    """The generators that a method that draws at random takes; the others do without numpy's module for them."""
    if not plan.random:
        return ()
    from rnnx.models.seeds import generators

    return (generators(seed, plan.method.name, plan.settings, batch),)


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
    return results.each(results.predictions(model, logits), len(logits), "the model")
