"""Whether an explanation is to be trusted: what a few changed texts say of it, and a level that predicts the rest.

What is measured, why, and how well it predicts: docs/trust.md, from benchmarks/trust.py.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnx.methods.removal import removing
from rnnx.metrics.agreement import ranked_alike
from rnnx.metrics.limits import limits, normalised_comprehensiveness
from rnnx.metrics.ranking import places
from rnnx.models.protocols import Array, Batch, Classifier, Integers, Mask
from rnnx.models.scores import probabilities
from rnnx.models.variants import logits

Facts = list[dict[str, Any]]  # one a text
Again = Callable[[int], Array]  # scores (B, T) by another seed

PARTS = (5, 2)  # one in so many tokens is taken away, the strongest: a fifth of them, a half
DRAWS = {"fast": 2, "full": 32}  # random fifths of the tokens
HIGH, LOW = 0.65, 0.3  # of the share of the probability that the strongest tokens carry
FAITHFUL, UNFAITHFUL = 0.9, 0.7  # of the measured faithfulness, between the worst order of the tokens and the best
SEEDS = 4  # more, with which a method that draws at random is asked again
SURE = 0.99  # from this probability on the model hardly reacts to small changes


class Case(NamedTuple):
    """Texts that a method has explained: the targets (B,), the logits (B, C) of the texts, the scores (B, T)."""

    model: Classifier
    batch: Batch
    target: Integers
    logits: Array
    scores: Array


def judged(case: Case, diagnostics: Mapping[str, Array], trust: str, seed: int, again: Again | None) -> Facts:
    """The facts of ``fast`` or ``full``, and what the method says of itself in its ``diagnostics``, (B,) each.

    ``missing``: what the scores lack of what they should add up to, as a share of the sum of all sizes. ``error``: the
    standard error of the scores, on average over the tokens, as a share of the largest one.
    """
    facts = fast(case, seed) if trust == "fast" else full(case, seed, again)
    sizes = np.abs(case.scores)
    whole = sizes.sum(axis=1) + np.abs(diagnostics.get("bias", 0))
    shares = {"missing": ("residual", whole), "error": ("standard_error", sizes.max(axis=1))}
    for name, (source, size) in shares.items():
        if source in diagnostics and "interactions" not in diagnostics:
            for fact, share in zip(facts, np.abs(diagnostics[source]) / np.maximum(size, 1e-12), strict=True):
                fact[name] = _digits(share)
    return facts


def fast(case: Case, seed: int, draws: int = DRAWS["fast"]) -> Facts:
    """What happens to the target's probability when tokens are taken away (deleted, as in ``comprehensiveness``).

    For each text ``without_strongest``: the probability without the strongest fifth of the tokens, ``removed`` of them,
    by score, not by size; ``without_half``: without the stronger half; ``without_random``: the mean over ``draws``
    random fifths. ``carried`` is the share of the last one that is lost on average in the first two, and decides on the
    ``level``: high from 0.65, low below 0.3, medium between. Of a text of one token there is nothing to say: its level
    is None. ``half_decides``: whether the fifth alone would give another level. ``saturated``: whether the model is so
    sure of the target, or of the opposite, that small changes hardly move it.

    The random sets depend on the seed and the text alone. Raises what the model raises.
    """
    batch = case.batch
    taken = np.concatenate([_strongest(case), _random(batch, seed, draws)], axis=1)
    fifth, half, *random = _without(case, taken).T
    p = probabilities(case.logits)[np.arange(len(batch.ids)), case.target]
    chance = np.mean(random, axis=0)
    carried, alone = (1 - left / np.maximum(chance, 1e-12) for left in ((fifth + half) / 2, fifth))
    levels = [_level(float(share), HIGH, LOW) for share in carried]

    def facts(i: int) -> dict[str, Any]:
        return {
            "level": levels[i] if batch.lengths[i] > 1 else None,
            "carried": _digits(carried[i]),
            "removed": int(_count(batch.lengths[i], PARTS[0])),
            "without_strongest": _digits(fifth[i]),
            "without_half": _digits(half[i]),
            "half_decides": levels[i] != _level(float(alone[i]), HIGH, LOW),
            "without_random": _digits(chance[i]),
            "saturated": bool(max(p[i], 1 - p[i]) >= SURE),
        }

    return [facts(i) for i in range(len(p))]


def stability(scores: Array, others: list[Array], batch: Batch) -> list[float]:
    """How stable scores are under other seeds: for each text the mean rank correlation with those of each other one.

    1 where a seed changes no rank, also where all scores are the same.
    """

    def mean(i: int, n: int) -> float:
        found = [ranked_alike(scores[i, :n], other[i, :n]) for other in others]
        return _digits(np.mean([1.0 if value is None else value for value in found]))

    return [mean(i, n) for i, n in enumerate(batch.lengths.tolist())]


def full(case: Case, seed: int, again: Again | None) -> Facts:
    """The same from more random sets, with ``faithful``: the comprehensiveness of the scores' order between that of the
    worst order of the tokens (0) and that of the best (1), which decides on the level in place of what predicts it:
    high from 0.9, low below 0.7. ``again`` gives the scores by other seeds, of a method that draws at random:
    ``stable`` is the mean rank correlation with four of them.
    """
    facts = fast(case, seed, DRAWS["full"])
    found = limits(case.model, case.batch, case.target)
    faithful = normalised_comprehensiveness(case.model, case.batch, case.target, case.scores, found)
    for fact, value in zip(facts, faithful.tolist(), strict=True):
        nothing = math.isnan(value)  # no order of the tokens is better than another
        fact["faithful"] = None if nothing else _digits(value)
        fact["level"] = None if nothing else _level(value, FAITHFUL, UNFAITHFUL)
    if again:
        stable = stability(case.scores, [again(seed + 1 + k) for k in range(SEEDS)], case.batch)
        for fact, value in zip(facts, stable, strict=True):
            fact["stable"] = value
    return facts


def _strongest(case: Case) -> Mask:
    """The tokens (B, parts, T) with the highest scores, the first of equals: a fifth of them, a half."""
    counts = np.stack([_count(case.batch.lengths, part) for part in PARTS], axis=1)
    found: Mask = places(case.batch, case.scores)[:, None] < counts[:, :, None]
    return found


def _count(lengths: Integers, part: int) -> Integers:
    """One token in ``part``, rounded up."""
    found: Integers = -(-lengths // part)
    return found


def _random(batch: Batch, seed: int, draws: int) -> Mask:
    """Random fifths of the tokens, (B, draws, T); those of one random order follow each other and share no token.

    From a hash of the seed and the tokens: to import numpy's generators would take longer than all the rest.
    """
    found = np.zeros((len(batch.ids), draws, batch.ids.shape[1]), bool)
    for i, n in enumerate(batch.lengths.tolist()):
        size = -(-n // PARTS[0])
        order, part = np.divmod(np.arange(draws), n // size)
        words = [token.text for token in batch.tokens[i]] if batch.tokens else batch.ids[i, :n].tolist()
        text = repr((seed, words)).encode("utf-8", "replace")
        keys = np.frombuffer(hashlib.shake_256(text).digest(8 * n * (order[-1] + 1)), "<u8").reshape(-1, n)
        rank = np.argsort(np.argsort(keys, axis=1, kind="stable"), axis=1)
        found[i, :, :n] = rank[order] // size == part[:, None]
    return found


def _without(case: Case, taken: Mask) -> Array:
    """The target's probability (B, N) without each set of tokens (B, N, T)."""
    texts, sets = taken.shape[:2]
    text, number, place = np.nonzero(taken)
    own = np.repeat(np.arange(texts), sets)
    variants = removing(case.model, "delete").variants(case.batch, own, text * sets + number, place)
    p = probabilities(logits(case.model, variants))
    found: Array = p[np.arange(len(p)), case.target[own]].reshape(texts, sets).astype(np.float64)
    return found


def _level(value: float, high: float, low: float) -> str:
    return "high" if value >= high else "medium" if value >= low else "low"


def _digits(value: Any) -> float:
    """Four digits behind the point: more of them may differ in a batch of another size."""
    return round(float(value), 4)
