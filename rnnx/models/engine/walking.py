"""Layers of one direction run along all branches of a ``Trie`` at once, each state computed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rnnx.models.engine.layer import Layer, project
from rnnx.models.engine.running import Rows, Running
from rnnx.models.engine.trie import Trie
from rnnx.models.protocols import Array, Integers, Mask

BLOCK = 512  # slots that step together: few calls, and what a step touches stays in the processor's caches


def walk(layers: Sequence[Layer], x: Array, trie: Trie, pooled: Running | None = None) -> Iterator[Array]:
    """The states h of the top layer in all slots that are alive, step by step, a view that the next step changes.

    x (R, E) are what the codes stand for. ``pooled`` gets every new state of the top layer.
    """
    stack = [Stepping(layer, len(trie.start)) for layer in layers]
    px, began = project(layers[0], x), 0
    for codes, alive in zip(trie.codes, trie.alive.tolist(), strict=True):
        _branch(stack, pooled.kept if pooled else (), began, trie.parent[began:alive])
        began = alive
        for rows in blocks(codes[:alive] != trie.absent, BLOCK):
            h = stack[0](stack[0].taken(px, codes[rows]), rows)
            for step in stack[1:]:
                h = step(project(step.layer, h), rows)
            if pooled:
                pooled.add(rows, h)
        yield stack[-1].state[0, :alive]


def _branch(stack: Sequence[Stepping], kept: Iterable[Array], start: int, parent: Integers) -> None:
    """New slots take over what their parents have; before the first step that is nothing."""
    if not start or not len(parent):
        return
    new = slice(start, start + len(parent))
    for array in (*(part for step in stack for part in step.state), *kept):
        array[new] = array.take(parent, axis=0)


def blocks(reads: Mask, most: int) -> list[Rows]:
    """The rows that read a token, in blocks of like size: as slices where none between them waits."""
    count = int(np.count_nonzero(reads))
    if not count:
        return []
    start, size = int(reads.argmax()), -(-count // -(-count // most))
    if reads[start : start + count].all():
        return [slice(i, min(i + size, start + count)) for i in range(start, start + count, size)]
    rows = np.flatnonzero(reads)
    return [rows[i : i + size] for i in range(0, count, size)]


class Stepping:
    """A layer with the states of all slots, (parts, S, H), and the room that a step of a block of them needs."""

    def __init__(self, layer: Layer, slots: int) -> None:
        cell, size, dtype = layer.cell, layer.size, layer.u.dtype
        self.layer = layer
        self.state = np.zeros((cell.parts, slots, size), dtype)
        self.ph, self.saved, self.after = (
            np.empty(BLOCK * size * blocks, dtype) for blocks in (cell.gates, cell.saved, cell.parts)
        )

    def taken(self, px: Array, codes: Integers) -> Array:
        """The projected inputs of these codes, where the step leaves what it makes of them: less memory is faster."""
        gates = self._room(self.saved, len(codes))[: self.layer.cell.gates]
        found: Array = px.take(codes, axis=1, out=gates, mode="clip")
        return found

    def __call__(self, px: Array, rows: Rows) -> Array:
        """One step of these slots, from their projected inputs: h."""
        n = px.shape[1]
        if isinstance(rows, slice):
            state = after = self.state[:, rows]
        else:
            state, after = self.state.take(rows, axis=1), self._room(self.after, n)
        ph = self.layer.recur(state[0], self._room(self.ph, n))
        self.layer.cell.step(px, ph, state, self._room(self.saved, n), after)
        if after is not state:
            for part, new in zip(self.state, after, strict=True):
                part[rows] = new
        h: Array = after[0]
        return h

    def _room(self, room: Array, rows: int) -> Array:
        """(blocks, rows, H), one block right after the other."""
        size = self.layer.size
        return room[: len(room) // BLOCK * rows].reshape(-1, rows, size)
