"""A prediction as one line."""

from __future__ import annotations

from rich.text import Text

from rnnx.render.text import visible
from rnnx.types import Prediction


def line(text: str, prediction: Prediction, width: int) -> Text:
    """Label, probability, and as much of the text as fits."""
    start = Text().append(f"{visible(prediction.label):<10} ", "bold").append(f"{prediction.probability:6.1%}  ")
    start.append(" ".join(visible(text).split()))
    start.truncate(width, overflow="ellipsis")
    return start


def plain(text: str, prediction: Prediction) -> str:
    """Label, probability and text, separated by tabs."""
    return f"{visible(prediction.label)}\t{prediction.probability:.4f}\t{' '.join(visible(text).split())}"
