"""Labelled texts as ids, epochs over several files, and batches of texts of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnx.config import Training
from rnnx.models.protocols import Integers

Example = tuple[Integers, int]  # ids (T,) and the class


@dataclass(frozen=True)
class Part:
    """The examples of one file, and how many times an epoch passes over them."""

    name: str
    examples: list[Example]
    passes: float = 1.0


def epoch(parts: Sequence[Part], rng: np.random.Generator, settings: Training) -> list[list[Example]]:
    """One epoch's batches, in random order; long texts are cropped anew each time."""
    drawn: list[Example] = []
    for part in parts:
        whole, rest = divmod(part.passes, 1)
        drawn += part.examples * int(whole)
        chosen = rng.permutation(len(part.examples))[: round(rest * len(part.examples))]
        drawn += [part.examples[i] for i in chosen]
    cropped = [(crop(ids, settings.max_tokens, rng), label) for ids, label in drawn]
    lengths = np.array([len(ids) for ids, _ in cropped])
    noisy = lengths * rng.uniform(1, 1.2, len(lengths))  # so that batches differ from epoch to epoch
    batches = list(bucketed(cropped, np.argsort(noisy, kind="stable"), settings.batch_tokens, settings.batch_texts))
    return [batches[i] for i in rng.permutation(len(batches))]


def bucketed(examples: Sequence[Example], order: Integers, tokens: int, texts: int) -> Iterator[list[Example]]:
    """Cut the examples, in this order, into batches of at most so many tokens (padding included) and texts."""
    batch: list[Example] = []
    longest = 0
    for i in order:
        longest = max(longest, len(examples[i][0]))
        if batch and (longest * (len(batch) + 1) > tokens or len(batch) == texts):
            yield batch
            batch, longest = [], len(examples[i][0])
        batch.append(examples[i])
    if batch:
        yield batch


def crop(ids: Integers, limit: int, rng: np.random.Generator) -> Integers:
    """A long text's end, or (two times in three) its first third and its end: verdicts stand there."""
    if len(ids) <= limit:
        return ids
    head = 0 if rng.random() < 1 / 3 else limit // 3
    return np.concatenate([ids[:head], ids[len(ids) - (limit - head) :]])


def tensors(batch: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids (B, T), lengths (B,) and classes (B,)."""
    lengths = [len(ids) for ids, _ in batch]
    padded = np.zeros((len(batch), max(lengths)), np.int64)
    for row, (ids, _) in zip(padded, batch, strict=True):
        row[: len(ids)] = ids
    return torch.from_numpy(padded), torch.tensor(lengths), torch.tensor([label for _, label in batch])
