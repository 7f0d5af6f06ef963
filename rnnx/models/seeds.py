"""Random numbers that belong to a text: what else is in its batch, and in which order, changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnx.models.protocols import Batch

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


def _generator(content: bytes) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(content).digest()))
