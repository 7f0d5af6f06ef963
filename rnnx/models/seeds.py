"""Random numbers that belong to a text: what else is in its batch, and in which order, changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnx.models.protocols import Array, Batch, Integers

Rngs = Sequence[np.random.Generator]  # one a text


class Generators(list[np.random.Generator]):
    """One a text, and ``common`` for what is the same for all texts, whatever else is in the batch."""

    def __init__(self, own: Iterable[np.random.Generator], common: np.random.Generator) -> None:
        super().__init__(own)
        self.common = common


def generators(seed: int, method: str, settings: Mapping[str, Any], batch: Batch) -> Generators:
    """A generator for each text, from the seed, the method, its settings and the text's own ids.

    The target is left out, so that explanations for and against a label come from the same draws.
    """
    plan = json.dumps([seed, method, dict(settings)], sort_keys=True).encode()
    texts = (ids[:n].astype("<i8").tobytes() for ids, n in zip(batch.ids, batch.lengths, strict=True))
    return Generators((_generator(plan + text) for text in texts), _generator(plan))


def numbers(text: Integers, rngs: Rngs, count: int) -> Array:
    """So many random numbers from [0, 1) for each of ``text`` (N,), from the generator of that text, (N, count)."""
    at = np.empty((len(text), count))
    for own, rng in zip(each(text, len(rngs)), rngs, strict=True):
        at[own] = rng.random((len(own), count))
    return at


def each(text: Integers, count: int) -> list[Integers]:
    """Where each of ``count`` texts stands in ``text`` (N,); it takes no longer for more of them."""
    order = np.argsort(text, kind="stable")  # linear where they rise, as they mostly do
    return np.split(order, np.bincount(text, minlength=count).cumsum()[:-1])


def _generator(content: bytes) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(content).digest()))
