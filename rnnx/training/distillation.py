"""Distillation: what trained models think of the training texts, as targets for another (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnx.errors import ModelError
from rnnx.models import checkpoint
from rnnx.models.batching import BUDGET, buckets
from rnnx.models.protocols import Array, Classifier
from rnnx.models.scores import probabilities
from rnnx.types import Token


def load_teachers(names: Sequence[str], labels: tuple[str, ...]) -> list[Classifier]:
    """The teachers. Raises ModelError for one that is not there or has other labels, or them in another order."""
    teachers: list[Classifier] = [checkpoint.load(name) for name in names]
    for teacher in teachers:
        if teacher.labels != labels:
            theirs, ours = ", ".join(teacher.labels), ", ".join(labels)
            hint = f"data.labels: [{theirs}] puts them in its order"
            if set(teacher.labels) != set(labels):
                hint = "a teacher must have been trained on the very labels of the data"
            raise ModelError(f"the teacher {teacher.name} has the labels {theirs}, and the data {ours}", hint)
    return teachers


def opinions(teachers: Sequence[Classifier], texts: Sequence[Sequence[str]]) -> Array:
    """The mean of the teachers' probabilities, (texts, classes); a text is the words of its tokens."""
    found = np.zeros((len(texts), len(teachers[0].labels)), np.float32)
    for rows in buckets([len(tokens) for tokens in texts], BUDGET):
        for teacher in teachers:
            batch = teacher.collate([[Token(word, 0, len(word)) for word in texts[i]] for i in rows])
            found[rows] += probabilities(teacher.forward(batch)) / len(teachers)
    return found
