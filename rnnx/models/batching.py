"""Which texts are computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

BUDGET = 16_384  # tokens computed together, padding included: about 50 MB


def buckets(
    lengths: Sequence[int], tokens: int, *, texts: int = 2**31, by: Sequence[float] = ()
) -> Iterator[list[int]]:
    """Indexes of texts of like length, in groups of at most so many ``tokens``, padding included, and ``texts``.

    A text longer than that is a group by itself. ``by`` sorts in place of the lengths.
    """
    group: list[int] = []
    longest = 0
    for i in sorted(range(len(lengths)), key=(by or lengths).__getitem__):
        longest = max(longest, lengths[i])
        if group and (longest * (len(group) + 1) > tokens or len(group) == texts):
            yield group
            group, longest = [], lengths[i]
        group.append(i)
    if group:
        yield group
