"""A curve in a few lines of block characters."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
EIGHTHS = len(BLOCKS) - 1


def curve(values: Sequence[float], width: int, height: int) -> list[str]:
    """``height`` lines of at most ``width`` columns, the largest value at full height and the smallest at an eighth
    of a line; both stand at the left. Where there are more values than columns, a column is the mean of its share.
    """
    if not values:
        return [""] * height
    room = width - len(_axis(max(values)))
    columns = [_mean(values, i, min(room, len(values))) for i in range(min(room, len(values)))]
    low, high = min(columns), max(columns)
    eighths = [1 + round((value - low) / (high - low or 1) * (height * EIGHTHS - 1)) for value in columns]
    lines = ["".join(BLOCKS[max(0, min(EIGHTHS, n - row * EIGHTHS))] for n in eighths) for row in range(height)]
    axis = [_axis(low), *[" " * len(_axis(low))] * (height - 2), _axis(high)]
    return [start + line for start, line in zip(reversed(axis), reversed(lines), strict=True)]


def _axis(value: float) -> str:
    return f"{value:6.3f} " if value < 100 else f"{value:6.0e} "


def _mean(values: Sequence[float], i: int, columns: int) -> float:
    own = values[i * len(values) // columns : (i + 1) * len(values) // columns]
    return sum(own) / len(own)
