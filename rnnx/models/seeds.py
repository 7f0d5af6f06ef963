"""Random numbers that belong to a text: what else is in its batch, and in which order, changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from rnnx.models.protocols import Array, Batch, Integers


class Rngs(Protocol):
    """A generator a text, the same one each time."""

    def __len__(self) -> int:
        """How many texts there are."""

    def __getitem__(self, row: int, /) -> np.random.Generator:
        """That of a text."""

    def __iter__(self) -> Iterator[np.random.Generator]:
        """Those of all."""


class Generators:
    """``Rngs`` that are made when they are asked for, as many methods that can draw mostly do not, and ``common`` for
    what is the same for all texts, whatever else is in the batch.
    """

    def __init__(self, plan: bytes, batch: Batch) -> None:
        self._plan, self._batch = plan, batch
        self._made: dict[int, np.random.Generator] = {}

    def __len__(self) -> int:
        return len(self._batch.ids)

    def __getitem__(self, row: int, /) -> np.random.Generator:
        if row not in self._made:
            ids = self._batch.ids[row, : self._batch.lengths[row]]
            self._made[row] = _generator(self._plan + ids.astype("<i8").tobytes())
        return self._made[row]

    def __iter__(self) -> Iterator[np.random.Generator]:
        return (self[row] for row in range(len(self)))

    @cached_property
    def common(self) -> np.random.Generator:
        """The one for all texts."""
        return _generator(self._plan)


def generators(seed: int, method: str, settings: Mapping[str, Any], batch: Batch) -> Generators:
    """A generator for each text, from the seed, the method, its settings and the text's own ids.

    The target is left out, so that explanations for and against a label come from the same draws.
    """
    return Generators(json.dumps([seed, method, dict(settings)], sort_keys=True).encode(), batch)


def numbers(text: Integers, rngs: Rngs, count: int | Integers) -> Array:
    """Random numbers from [0, 1) for each of ``text`` (N,), from the generator of that text: ``count`` of them, or
    ``count[i]`` for text i and zeros behind them, (N, the largest count). It takes no longer for more texts.
    """
    counts = np.broadcast_to(count, len(rngs))
    at = np.zeros((len(text), counts.max(initial=0)))
    order = np.argsort(text, kind="stable")  # linear where they rise, as they mostly do
    each = np.split(order, np.bincount(text, minlength=len(rngs)).cumsum()[:-1])
    for i in np.unique(text).tolist():
        at[each[i], : counts[i]] = rngs[i].random((len(each[i]), counts[i]))
    return at


def _generator(content: bytes) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(content).digest()))
