"""A prediction as one line."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from rnnx.render.text import percent, visible
from rnnx.types import Prediction

LABEL = 11  # columns


def line(text: str, prediction: Prediction, width: int) -> Text:
    """Label, probability, and as much of the text as fits."""
    label = visible(prediction.label)
    pad = " " * max(1, LABEL - cell_len(label))
    start = Text().append(label, "bold").append(f"{pad}{percent(prediction.probability):>6}  ")
    start.append(" ".join(visible(text).split()))
    start.truncate(width, overflow="ellipsis")
    return start


def plain(text: str, prediction: Prediction) -> str:
    """Label, probability and text, separated by tabs."""
    return f"{visible(prediction.label)}\t{prediction.probability:.4f}\t{' '.join(visible(text).split())}"
