"""Methods with their settings, as functions from a batch to scores that can be asked again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnx import registry, settings
from rnnx.choosing import choose, usable
from rnnx.errors import Unexplained
from rnnx.models.protocols import Array, Batch, Classifier, Diagnosed, Integers
from rnnx.models.seeds import generators

RANDOM = "random"  # the name of the baseline


@dataclass(frozen=True)
class Explainer:
    """A method of the table. Meets ``rnnx.metrics.again.Explain``, unless it cannot explain ``again``."""

    name: str
    signed: bool
    random: bool
    function: Callable[..., Any]
    settings: Mapping[str, Any]
    seed: int = 0
    again: bool = True

    def __call__(
        self, model: Classifier, batch: Batch, target: Integers, *, draw: int = 0, like: Batch | None = None
    ) -> Array:
        """Scores (B, T), nan for a text that it cannot explain."""
        return self.diagnosed(model, batch, target, draw=draw, like=like).found  # type: ignore[return-value]

    def diagnosed(
        self, model: Classifier, batch: Batch, target: Integers, *, draw: int = 0, like: Batch | None = None
    ) -> Diagnosed:
        """Scores (B, T), and the diagnostics (B,) that all texts have; nan for a text that it cannot explain."""
        scores, diagnostics = np.full(batch.ids.shape, np.nan), dict[str, Array]()
        rows = np.arange(len(scores))
        while len(rows):
            try:
                own = among(like or batch, rows)
                rngs = (generators(self.seed + draw, self.name, self.settings, own),) if self.random else ()
                answer = self.function(model, among(batch, rows), np.asarray(target)[rows], *rngs, **self.settings)
            except Unexplained as error:
                rows = np.delete(rows, list(error.reasons))
                continue
            found, judged = answer if isinstance(answer, Diagnosed) else (answer, {})
            scores[rows] = found
            for name, values in judged.items():
                diagnostics[name] = np.full(len(scores), np.nan)
                diagnostics[name][rows] = values
            break
        return Diagnosed(np.where(np.isfinite(scores).all(axis=1)[:, None], scores, np.nan), diagnostics)


def among(batch: Batch, rows: Integers) -> Batch:
    """Some of the texts."""
    if len(rows) == len(batch.ids):
        return batch
    tokens = [batch.tokens[i] for i in rows.tolist()] if batch.tokens else ()
    return Batch(batch.ids[rows], batch.lengths[rows], tokens)


def explainer(model: Classifier, name: str, given: Mapping[str, Any], seed: int = 0) -> Explainer:
    """The method of this name with the settings that are given, or the baseline ``random``.

    Raises UnknownName, ConfigError for a setting, Unsupported where the model lacks what the method needs.
    """
    if name == RANDOM:
        return Explainer(RANDOM, True, True, _at_random, {}, seed)
    row, _ = choose(model, name, None, given)
    chosen = settings.resolve(row.name, row.function, given)
    random = settings.signature(row.function).random
    return Explainer(row.name, row.signed, random, registry.load(row.function), chosen, seed)


def served(model: Classifier) -> list[str]:
    """The methods that the model can serve."""
    return [name for name, row in usable(registry.methods()).items() if row.needs <= model.provides]


def _at_random(model: Classifier, batch: Batch, target: Integers, rngs: Sequence[np.random.Generator]) -> Array:
    """Scores without a meaning: every order of the tokens is as likely as any other."""
    scores = np.zeros(batch.ids.shape)
    for own, n, rng in zip(scores, batch.lengths.tolist(), rngs, strict=True):
        own[:n] = rng.random(n)
    return scores
