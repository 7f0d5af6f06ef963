"""How good predictions are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.metrics import f1_score, log_loss

from rnnx.models.protocols import Array, Integers

BINS = 15


class Scores(NamedTuple):
    """Shares between 0 and 1, but for the log loss, which is in nats."""

    accuracy: float
    macro_f1: float
    log_loss: float
    calibration_error: float

    def rounded(self) -> dict[str, float]:
        """As written to metrics.json."""
        return {name: round(value, 4) for name, value in self._asdict().items()}


def measure(probabilities: Array, classes: Sequence[int] | Integers) -> Scores:
    """Compare probabilities (n, C) with the classes (n,).

    Macro F1 is the mean over all C classes, a class that neither occurs nor is predicted counting as 0.
    """
    truth = np.asarray(classes)
    every = np.arange(probabilities.shape[1])
    p = probabilities.astype(np.float64)
    p /= p.sum(1, keepdims=True)
    predicted = p.argmax(1)
    return Scores(
        accuracy=float((predicted == truth).mean()),
        macro_f1=float(f1_score(truth, predicted, labels=every, average="macro", zero_division=0)),
        log_loss=float(log_loss(truth, p, labels=every)),
        calibration_error=calibration_error(p, truth),
    )


def calibration_error(probabilities: Array, classes: Integers) -> float:
    """Expected calibration error (Guo et al. 2017): predictions are sorted into 15 bins of equal width by the
    predicted label's probability; in each, the mean probability and the accuracy differ by so much, on average.
    """
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == classes
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = (abs((confidence - right)[bins == b].sum()) for b in range(BINS))
    return float(sum(gaps) / len(classes))
