"""Labelled texts as ids, epochs over several files, and batches of texts of like length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnx.config import Training
from rnnx.models.batching import buckets
from rnnx.models.protocols import Array, Integers


class Example(NamedTuple):
    """A text as ids (T,), its class, the probabilities (C,) to learn (the class alone, or softened), its weight."""

    ids: Integers
    label: int
    target: Array
    weight: float = 1.0


class Minibatch(NamedTuple):
    """Ids (B, T), right-padded; lengths (B,), labels (B,), targets (B, C) and weights (B,)."""

    ids: Tensor
    lengths: Tensor
    labels: Tensor
    targets: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> Minibatch:
        """The same on another device."""
        return Minibatch(*(tensor.to(device) for tensor in self))


@dataclass(frozen=True)
class Part:
    """The examples of one file, and how many times an epoch passes over them."""

    name: str
    examples: list[Example]
    passes: float = 1.0


def epoch(parts: Sequence[Part], rng: np.random.Generator, settings: Training) -> list[Minibatch]:
    """One epoch's batches, in random order, of at least one text a part; long texts are cropped anew each time."""
    drawn: list[Example] = []
    for part in parts:
        whole, rest = divmod(part.passes, 1)
        drawn += part.examples * int(whole)
        some = max(round(rest * len(part.examples)), int(not whole))
        chosen = rng.permutation(len(part.examples))[:some]
        drawn += [part.examples[i] for i in chosen]
    cropped = [example._replace(ids=crop(example.ids, settings.max_tokens, rng)) for example in drawn]
    lengths = [len(example.ids) for example in cropped]
    noisy = (np.array(lengths) * rng.uniform(1, 1.2, len(lengths))).tolist()  # so that batches differ
    groups = list(buckets(lengths, settings.batch_tokens, texts=settings.batch_texts, by=noisy))
    return [stack([cropped[i] for i in groups[g]]) for g in rng.permutation(len(groups))]


def crop(ids: Integers, limit: int, rng: np.random.Generator) -> Integers:
    """At most ``limit`` ids: a long text's end, or (two times in three) its beginning, one third, and its end."""
    if len(ids) <= limit:
        return ids
    head = 0 if rng.random() < 1 / 3 else limit // 3
    return np.concatenate([ids[:head], ids[len(ids) - (limit - head) :]])


def stack(examples: Sequence[Example]) -> Minibatch:
    """Examples as tensors."""
    lengths = [len(example.ids) for example in examples]
    padded = np.zeros((len(examples), max(lengths)), np.int64)
    for row, example in zip(padded, examples, strict=True):
        row[: len(example.ids)] = example.ids
    labels = torch.tensor([example.label for example in examples])
    targets = torch.from_numpy(np.stack([example.target for example in examples]))
    weights = torch.tensor([example.weight for example in examples])
    return Minibatch(torch.from_numpy(padded), torch.tensor(lengths), labels, targets, weights)
