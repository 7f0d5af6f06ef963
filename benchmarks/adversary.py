"""How far the search for adversarial attention comes: the paper's steps and ours, random draws, and all corners.

    python benchmarks/adversary.py

States and weights are drawn at random: 64 texts of 6 to 20 tokens, with one to three heads and two or three classes.
Printed are the mean divergence that is found, and how often it is more than the best of 2,500 random draws. The
corners, which are exact, are left out of the search, and stand in a line of their own for the texts that have them.
"""

from __future__ import annotations

import numpy as np

from rnnx.metrics import adversary as search
from rnnx.metrics.corners import corner
from rnnx.metrics.reweighing import variation
from rnnx.models.attended import Attended
from rnnx.models.batching import padded
from rnnx.models.protocols import Array, Batch
from rnnx.models.seeds import generators

LENGTHS = (6, 9, 12, 20)
KINDS = [(1, 1), (1, 3), (3, 1), (2, 3)]  # heads and logits


def main() -> None:
    cases = [drawn(seed, *kind) for kind in KINDS for seed in range(4)]
    chance = np.concatenate([at_random(*case) for case in cases])
    print(f"{'random draws':24} {chance.mean():.3f}")
    search.corner = lambda *given: None  # type: ignore[assignment]
    for search.RATE, search.PENALTY, search.FALL in ((0.01, 500.0, 0.0), (0.1, 50.0, 1.0)):
        found = np.concatenate([divergences(*case) for case in cases])
        print(f"rate {search.RATE}, penalty {search.PENALTY:3.0f}   {found.mean():.3f}, ", end="")
        print(f"farther than them in {(found > chance).mean():.0%}")
    exact, ours = np.concatenate([corners(*case) for case in cases[:4]]), found[: 4 * len(LENGTHS)]
    print(f"one head, two classes    {ours.mean():.3f}, corners {exact.mean():.3f}")


def drawn(seed: int, heads: int, logits: int) -> tuple[Attended, Batch]:
    rng = np.random.default_rng(seed)
    batch = padded([[1] * n for n in LENGTHS])
    e = np.exp(rng.normal(size=(*batch.ids.shape, heads))) * batch.mask[..., None]
    states = rng.normal(size=(*batch.ids.shape, 2 * heads)) * batch.mask[..., None]
    w_out = rng.normal(size=(2 * heads, logits))
    return Attended(e / e.sum(1, keepdims=True), states, w_out, np.zeros(logits)), batch


def at_random(found: Attended, batch: Batch) -> Array:
    shape = len(LENGTHS), 2500, *found.weights.shape[1:]
    at = np.where(batch.mask[:, None, :, None], np.random.default_rng(0).normal(size=shape), -np.inf)
    weights = np.exp(at) / np.exp(at).sum(2, keepdims=True)
    there = variation(found, weights) <= search.TOLERANCE
    best: Array = np.where(there, search.divergence(weights, found.weights[:, None]), 0).max(1)
    return best


def divergences(found: Attended, batch: Batch) -> Array:
    return search.adversary(found, batch, generators(0, "check", {}, batch)).divergence


def corners(found: Attended, batch: Batch) -> Array:
    weights = corner(found, batch, search.TOLERANCE)
    assert weights is not None
    return search.divergence(weights, found.weights)


if __name__ == "__main__":
    main()
