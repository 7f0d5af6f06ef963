"""Shapley values, KernelSHAP and LIME beside Captum, shap and lime: how fast, how near to the floor, and how noisy.

    pip install captum shap lime            # for this benchmark only; with --no-deps captum leaves torch alone
    python benchmarks/shapley.py [--runs 2] [--only shapley kernel ...] [--networks last ...] [--sets sentences]

The networks and texts of ``benchmarks/perturbation.py``. The peers run text by text, on the first few of the texts, and
ours on all, which are as long as these are, again and again: what a token costs depends on that. The peers run as in
their documentation: Captum on ids with one changed text at a time and its default or documented numbers of them (25
orders for Shapley values, 200 subsets for KernelSHAP, but four a token, as ours, 1,000 for LIME); shap's
KernelExplainer on subsets, its default number of them (2 T + 2,048), all in one batch; lime's LimeTextExplainer on
strings, 1,000 of them, which our function for it reads in batches of one length. None of these has to pack its texts,
which would slow them down. Ours run in batches of like length, twice: with as many subsets as the peer (26 orders, as
they come in pairs), none saved by a tolerance or by exact answers for short texts, and as they are by default. lime
deletes words, and so do ours beside it. All explain the probability. Peers that are not installed are left out.

Times are CPU time, per token, one thread each. The three take turns, and a ratio is the median over the rounds, with
the least and the largest. The peer's floor is the time of the matrix products of all changed texts at the measured
rate of a large one; ours that of the products of the states that were computed: what changed texts have in common is
computed once. The last column is the noise of the scores, theirs, ours and ours by default: the root mean square
difference between two rounds, by the square root of 2, as a share of a text's largest score.
"""

from __future__ import annotations

import os

# Before the imports: the libraries read it as they load.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import torch
from captum.attr import KernelShap, Lime, ShapleyValueSampling
from gradients import Row, Texts, drawn, ours, rate, timed
from perturbation import NETWORKS, SETS, models

from rnnx.models.batching import hold_memory
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.engine.pooling import Attention
from rnnx.models.engine.walking import Stepping
from rnnx.models.protocols import Array
from rnnx.text.vocabulary import UNKNOWN

FEW = {"sentences": 24, "reviews": 3}  # on how many texts the peers are timed
Explain = Callable[[Any, list[int]], Array]


@dataclass(frozen=True)
class Comparison:
    """A peer's scores of one text beside our method, and how many changed texts a text of T tokens has for the peer.

    Where no samples are ``given``, ours has as many as the peer for a text of median length.
    """

    peer: Explain
    ours: str
    given: dict[str, Any]
    changed: Callable[[int], int]

    def alike(self, texts: Texts) -> dict[str, Any]:
        """Our settings for as many changed texts as the peer has."""
        return {"tolerance": 0.0, "samples": self.changed(round(statistics.median(map(len, texts)))), **self.given}

    @property
    def by_default(self) -> dict[str, Any]:
        """Our settings, but for how tokens are taken away."""
        return {name: value for name, value in self.given.items() if name == "removal"}


def captum(made: Callable[[Any], Any], count: Callable[[int], int]) -> Explain:
    """A method of Captum's with so many samples of a text of T tokens."""

    def explain(net: Any, text: list[int]) -> Array:
        ids = torch.tensor([text])
        given = {"baselines": UNKNOWN, "additional_forward_args": net.lengths(ids), "n_samples": count(len(text))}
        found: Array = made(net).attribute(ids, **given)[0].numpy()
        return found

    return explain


def kernel_explainer(net: Any, text: list[int]) -> Array:
    """shap's, of functions of any array."""
    ids = torch.tensor([text])

    def predict(there: Array) -> Array:
        rows = torch.where(torch.from_numpy(there).bool(), ids, UNKNOWN)
        with torch.no_grad():
            found: Array = net(rows, net.lengths(ids)).numpy()
        return found

    explainer = shap.KernelExplainer(predict, np.zeros((1, len(text))))
    values: Array = explainer.shap_values(np.ones((1, len(text))), silent=True, l1_reg=False)[0]
    return values


def lime_text(net: Any, text: list[int]) -> Array:
    """lime's, of strings."""

    def predict(strings: Sequence[str]) -> Array:
        rows = [[int(word[1:]) for word in string.split()] or [UNKNOWN] for string in strings]
        order, found = sorted(range(len(rows)), key=lambda i: len(rows[i])), np.empty(len(rows))
        with torch.no_grad():
            for length, same in groupby(order, key=lambda i: len(rows[i])):
                chosen = list(same)
                found[chosen] = net(torch.tensor([rows[i] for i in chosen]), torch.tensor([length])).numpy()
        return np.stack([1 - found, found], axis=1)

    explainer = LimeTextExplainer(split_expression=" ")
    string = " ".join(f"w{i}" for i in text)
    found = explainer.explain_instance(string, predict, num_features=len(text), num_samples=1000).as_list()
    weights = dict(found)
    return np.array([weights.get(f"w{i}", 0.0) for i in text])


def at_least(count: int) -> Callable[[int], int]:
    return lambda tokens: max(count, 4 * tokens)


ROWS = {
    "shapley": Comparison(
        captum(ShapleyValueSampling, lambda n: 25), "shapley", {"exact": 1, "samples": 13}, lambda n: 25 * n + 1
    ),
    "kernel": Comparison(captum(KernelShap, at_least(200)), "kernel-shap", {"samples": 200}, at_least(200)),
    "lime": Comparison(captum(Lime, lambda n: 1000), "lime", {}, lambda n: 1000),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        import shap

        ROWS["kernel-shap"] = Comparison(
            kernel_explainer, "kernel-shap", {}, lambda n: min(2**n if n < 30 else 2**30, 2 * n + 2048)
        )
    except ImportError:
        pass
    try:
        from lime.lime_text import LimeTextExplainer

        ROWS["lime-text"] = Comparison(lime_text, "lime", {"samples": 1000, "removal": "delete"}, lambda n: 500)
    except ImportError:
        pass


@contextmanager
def operations(network: Any) -> Iterator[list[int]]:
    """While it lasts, the operations of the products of all states that our engine computes."""
    step, found = Stepping.__call__, [0]
    attention = 2 * network.pooling.hidden.w.size if isinstance(network.pooling, Attention) else 0

    def counted(stepping: Stepping, px: Array, rows: Any) -> Array:
        found[0] += px.shape[1] * (2 * stepping.layer.u.size + attention // len(network.levels[0]))
        return step(stepping, px, rows)

    Stepping.__call__ = counted  # type: ignore[assignment,method-assign]
    try:
        yield found
    finally:
        Stepping.__call__ = step  # type: ignore[method-assign]


def peer_floor(model: RecurrentClassifier, texts: Texts, comparison: Comparison) -> float:
    """Operations a token of the peer's products."""
    network = model.network
    each = sum(2 * (layer.u.size + layer.w.size) for layer in network.levels[0])
    each += 2 * network.pooling.hidden.w.size if isinstance(network.pooling, Attention) else 0
    return sum(comparison.changed(len(text)) * len(text) for text in texts) * each / sum(map(len, texts))


def noise(first: Sequence[Array], second: Sequence[Array]) -> float:
    """From what two runs give: as a share of the largest score, on average over the texts."""
    pairs = zip(first, second, strict=True)
    return float(np.mean([np.sqrt(((a - b) ** 2).mean() / 2) / np.abs(a).max() for a, b in pairs]))


def spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):6.1f} [{min(ratios):.1f}-{max(ratios):.1f}]"


def compared(net: Any, model: RecurrentClassifier, name: str, texts: Texts, few: int, runs: int) -> str:
    """One line of the table."""
    comparison, some = ROWS[name], texts[:few]
    own = [
        Row(lambda *_: torch.empty(0), comparison.ours, given, 1)
        for given in (comparison.alike(texts), comparison.by_default)
    ]
    with operations(model.network) as counted:
        ours(model, texts, own[0])  # which fills the caches
    found, times, speeds = [], [], []
    for i in range(max(runs, 2)):
        peer, slow = timed(lambda: [comparison.peer(net, text) for text in some], some)
        speeds.append(rate())
        mine = [timed(partial(ours, model, texts, row, i), texts) for row in own]
        found.append([peer, *(scores for (scores, _), _ in mine)])
        times.append([slow, *(time for _, time in mine)])
    slow, fast, _ = (statistics.median(column) for column in zip(*times, strict=True))
    speed = statistics.median(speeds)
    best = peer_floor(model, some, comparison) / speed, counted[0] / sum(map(len, texts)) / speed
    ratios = [spread([row[0] / row[k] for row in times]) for k in (1, 2)]
    line = (
        f"{name:12} {slow:8.0f} {fast:6.0f} {ratios[0]:19} {slow / best[0]:5.1f} {fast / best[1]:5.1f} {ratios[1]:20}"
    )
    return line + " ".join(f"{noise(*column):.3f}" for column in list(zip(*found[:2], strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    hold_memory()
    warnings.simplefilter("ignore")  # what the peers say of themselves
    for network in arguments.networks:
        model, net = models(*NETWORKS[network])
        for title in arguments.sets:
            count, median = SETS[title]
            texts = drawn(count, median, len(model.vocabulary), FEW[title])
            length = statistics.median(map(len, texts))
            print(f"\n{network}: {count} {title}, {length:.0f} tokens in the median; us a token")
            print(f"{'':12} {'peer':>8} {'ours':>6} {'ratio':>6} {'x the floor':>24} {'by default':>11} {'noise':>14}")
            for name in arguments.only:
                print(compared(net, model, name, texts, FEW[title], arguments.runs), flush=True)


if __name__ == "__main__":
    main()
