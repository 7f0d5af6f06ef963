"""Whether scores add up to what they say they do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnx.models.protocols import Array, Batch, Classifier, Integers


def completeness(
    model: Classifier, batch: Batch, target: Integers, scores: Array, diagnostics: Mapping[str, Array]
) -> Array:
    """What the scores lack of the sum that the method promises, in size.

    Sundararajan et al. 2017 (completeness); ``rnnx methods NAME`` says what adds up to what. In units of the score that
    is explained, from 0; lower is better. nan for a method that promises nothing.

    Returns (batch,).
    """
    found: Array = np.abs(diagnostics.get("residual", np.full(len(scores), np.nan)))
    return found
