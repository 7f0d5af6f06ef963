"""Methods that change the text beside Captum: how fast, and how near to the floor; one process, one thread each.

    pip install captum            # for this benchmark only; with --no-deps it leaves torch alone
    python benchmarks/perturbation.py [--runs 5] [--only occlusion ...] [--networks last attention two-directions ...]

The same networks (an LSTM, 100 to 128 in each direction, a sigmoid, random weights) and the same texts of random words:
256 sentences of some 20 tokens and 16 reviews of some 230. Captum runs as in its documentation, text by text on ids,
the unknown word as baseline, with one changed text at a time (occlusion-64: with 64). Ours run in batches of like
length, as ``rnnx.explain`` makes them. All explain the probability.

Times are CPU time, per token. The two take turns in each round, and the ratio is the median over the rounds, with the
least and the largest. Captum's floor is the time of the matrix products of all changed texts at the measured rate of a
large one; ours that of the products of the states alone, of those that are different: what changed texts begin with, or
for the other direction end in, is read once. The last column is the largest difference between the two relative to the
largest score.
"""

from __future__ import annotations

import os

# Before the imports: the libraries read it as they load.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from captum.attr import FeatureAblation, Occlusion
from gradients import Peer, Row, Texts, drawn, ours, rate, theirs, timed

from rnnx.models import checkpoint
from rnnx.models.batching import hold_memory
from rnnx.models.catalog import Spec
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.engine.pooling import Attention
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.text.vocabulary import SPECIAL, UNKNOWN, Vocabulary
from rnnx.training.network import RecurrentNetwork

SETS = {"sentences": (256, 20), "reviews": (16, 230)}  # how many, and their median length
NETWORKS = {  # pooling and whether there are two directions
    "last": ("last", False),
    "attention": ("attention", False),
    "two-directions": ("last", True),
    "two-directions-attention": ("attention", True),
}


class Straight(Peer):
    """The torch network without packing, which slows two directions down and which texts of one length need not."""

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Of ids."""
        h = self.network.recurrent(self.network.embedding(ids))[0]
        return self.network.output(self.network.pooling(h, lengths.expand(len(ids)))).sigmoid()[:, 0]


@dataclass(frozen=True)
class Comparison:
    """Captum's scores beside ours; how many changed texts a text of T tokens has, and our different states of them."""

    row: Row
    changed: Callable[[int], int]
    states: Callable[[int], float]


def ablated(net: Any, ids: torch.Tensor, at_once: int = 1) -> torch.Tensor:
    return FeatureAblation(net).attribute(
        ids, baselines=UNKNOWN, additional_forward_args=net.lengths(ids), perturbations_per_eval=at_once
    )


def occluded(net: Any, ids: torch.Tensor, window: int) -> torch.Tensor:
    wide = (min(window, ids.shape[1]),)
    return Occlusion(net).attribute(ids, wide, baselines=UNKNOWN, additional_forward_args=net.lengths(ids))


def one_out(tokens: int) -> float:
    """States of a text and of the T that differ from it in one place each."""
    return tokens * (tokens + 3) / 2


ROWS = {
    "occlusion": Comparison(Row(ablated, "occlusion", {}, 1, agree=True), lambda n: n + 1, one_out),
    "occlusion-64": Comparison(
        Row(lambda net, ids: ablated(net, ids, 64), "occlusion", {}, 1, agree=True), lambda n: n + 1, one_out
    ),
    "window-3": Comparison(
        Row(lambda net, ids: occluded(net, ids, 3), "occlusion", {"window": 3}, 1, agree=True),
        lambda n: max(1, n - 2) + 1,
        one_out,
    ),
}


def models(pooling: str, both: bool) -> tuple[RecurrentClassifier, Peer]:
    """Ours and Captum's, of the same weights."""
    torch.manual_seed(0)
    words = Vocabulary(SPECIAL + tuple(f"w{i}" for i in range(20_000)))
    spec = Spec("lstm", pooling, ("negative", "positive"))
    network = RecurrentNetwork(spec, torch.randn(len(words), 100), hidden=128, bidirectional=both).eval()
    engine = checkpoint.assemble(spec, {key: tensor.numpy() for key, tensor in network.state_dict().items()})
    return RecurrentClassifier("random", spec.labels, TOKENIZERS[spec.tokenizer], words, engine), Straight(network)


def floors(model: RecurrentClassifier, texts: Texts, comparison: Comparison) -> tuple[float, float]:
    """Operations a token of the peer's products and of ours."""
    network, tokens = model.network, sum(map(len, texts))
    of_states = sum(2 * layer.u.size for layer in network.levels[0])
    of_states += 2 * network.pooling.hidden.w.size if isinstance(network.pooling, Attention) else 0
    of_inputs = sum(2 * layer.w.size for layer in network.levels[0])
    peer = sum(comparison.changed(len(text)) * len(text) for text in texts) * (of_states + of_inputs)
    return peer / tokens, sum(comparison.states(len(text)) for text in texts) * of_states / tokens


def compared(net: Peer, model: RecurrentClassifier, name: str, texts: Texts, runs: int) -> str:
    """One line of the table."""
    row, rounds, speeds = ROWS[name].row, [], []
    for i in range(runs + 1):
        peer, slow = timed(lambda: theirs(net, texts, row), texts)
        speeds.append(rate())
        (mine, _), fast = timed(lambda: ours(model, texts, row), texts)
        if i:  # the first fills the caches
            rounds.append((slow, fast))
    slow, fast = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = [a / b for a, b in rounds]
    best = [operations / statistics.median(speeds) for operations in floors(model, texts, ROWS[name])]
    apart = max(np.abs(a - b).max() / np.abs(a).max() for a, b in zip(peer, mine, strict=True))
    line = f"{name:14} {slow:9.1f} {fast:8.2f} {statistics.median(ratios):7.1f} [{min(ratios):.1f}-{max(ratios):.1f}]"
    return f"{line:58} {slow / best[0]:7.1f} {fast / best[1]:6.1f}  differ by {apart:.0e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    hold_memory()  # as the command line does
    for network in arguments.networks:
        model, net = models(*NETWORKS[network])
        for title, (count, median) in SETS.items():
            texts = drawn(count, median, len(model.vocabulary))
            length = statistics.median(map(len, texts))
            print(f"\n{network}: {count} {title}, {length:.0f} tokens in the median; us a token")
            print(f"{'':14} {'captum':>9} {'ours':>8} {'ratio':>7}{'times the floor':>34}")
            for name in arguments.only:
                print(compared(net, model, name, texts, arguments.runs), flush=True)


if __name__ == "__main__":
    main()
