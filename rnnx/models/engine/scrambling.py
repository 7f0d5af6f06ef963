"""A network that forgets what it has learnt, part by part from the top."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from rnnx.models.engine.network import Network
from rnnx.models.engine.pooling import Attention


def parts(network: Network) -> tuple[str, ...]:
    """The parts that have weights, the output first, the embeddings last."""
    pooling = ("pooling",) if isinstance(network.pooling, Attention) else ()
    levels = tuple(f"layer {i}" for i in reversed(range(len(network.levels))))
    return ("output", *pooling, *levels, "embedding")


def scrambled(network: Network, count: int, rng: np.random.Generator) -> Network:
    """The same with the weights of its top ``count`` parts in random order, each array by itself.

    The numbers of an array stay what they are, and so does the scale of what it makes.
    """
    for part in parts(network)[:count]:
        if part == "output":
            network = replace(network, w_out=_shuffled(network.w_out, rng), b_out=_shuffled(network.b_out, rng))
        elif part.startswith("layer"):
            number = int(part.split()[1])
            levels = [_shuffled(each, rng) if i == number else each for i, each in enumerate(network.levels)]
            network = replace(network, levels=tuple(levels))
        else:
            network = replace(network, **{part: _shuffled(getattr(network, part), rng)})
    return network


def _shuffled(part: Any, rng: np.random.Generator) -> Any:
    """Its arrays, and those of its parts."""
    if isinstance(part, np.ndarray):
        return rng.permutation(part.reshape(-1)).reshape(part.shape)
    if isinstance(part, tuple):
        return tuple(_shuffled(each, rng) for each in part)
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: _shuffled(getattr(part, f.name), rng) for f in fields(part)})
    return part
