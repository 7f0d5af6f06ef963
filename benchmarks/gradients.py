"""The gradient methods beside Captum: how fast, how near to the floor, and how exact; one process, one thread each.

    pip install captum            # for this benchmark only; with --no-deps it leaves torch alone
    python benchmarks/gradients.py [--runs 5] [--only grad grad-x-input ig ig-500 expected-grad] [--model NAME]

The same LSTM (100 to 128, a sigmoid, random weights; or a trained model with --model) and the same texts of random
words: 256 sentences of some 20 tokens and 48 reviews of some 230. Captum runs as in its tutorials, text by text on
embeddings; ours run in batches of like length, as ``rnnx.explain`` makes them. All explain the probability. ig is
Captum's 50 steps, ig-500 the 500 of its tutorial, on the first few texts only; ours is the same default in both.

Times are CPU time, per token. The two take turns in each round, and the ratio is the median over the rounds, with the
least and the largest. The floor is the time of the method's own matrix products at the measured rate of a large one:
forward and backward of the recurrence at each evaluation, and, for ours on a straight path, of the inputs once. The
last columns are the median and largest error of the sum of the scores, for IG, and the largest difference between the
two relative to the largest score, for methods that should agree.
"""

from __future__ import annotations

import os

# Before the imports: the libraries read it as they load.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from captum.attr import GradientShap, InputXGradient, LayerIntegratedGradients, Saliency

import rnnx
from rnnx import registry, settings
from rnnx.models import checkpoint
from rnnx.models.batching import BUDGET, buckets, hold_memory, padded
from rnnx.models.catalog import Spec
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Diagnosed
from rnnx.models.seeds import generators
from rnnx.text.tokenizer import TOKENIZERS
from rnnx.text.vocabulary import SPECIAL, Vocabulary
from rnnx.training.network import RecurrentNetwork, load_network

Texts = Sequence[list[int]]
SETS = {"sentences": (256, 20), "reviews": (48, 230)}  # how many, and their median length
SAMPLES = 5  # of expected gradients, Captum's default
FEW = {"ig": (64, 12), "ig-500": (12, 2)}  # on how many Captum is timed, where it takes long


@dataclass(frozen=True)
class Row:
    """A comparison: Captum's scores of one text, our method's name and settings, and Captum's evaluations a text."""

    captum: Callable[[Any, torch.Tensor], torch.Tensor]
    ours: str
    given: dict[str, Any]
    evaluations: int
    agree: bool = False


def saliency(net: Any, ids: torch.Tensor) -> torch.Tensor:
    return Saliency(net.scored).attribute(net.embedding(ids), additional_forward_args=net.lengths(ids)).sum(-1)


def input_x_gradient(net: Any, ids: torch.Tensor) -> torch.Tensor:
    return InputXGradient(net.scored).attribute(net.embedding(ids), additional_forward_args=net.lengths(ids)).sum(-1)


def integrated(net: Any, ids: torch.Tensor, steps: int) -> torch.Tensor:
    lig = LayerIntegratedGradients(net, net.network.embedding)
    found, _ = lig.attribute(
        ids,
        torch.zeros_like(ids),
        additional_forward_args=net.lengths(ids),
        n_steps=steps,
        return_convergence_delta=True,
    )
    return found.sum(-1)


def gradient_shap(net: Any, ids: torch.Tensor) -> torch.Tensor:
    x = net.embedding(ids)
    baselines = torch.cat([x.detach().roll(i, 1) for i in range(1, 5)])  # other texts of the same length
    shap = GradientShap(net.scored)
    found, _ = shap.attribute(
        x,
        baselines,
        n_samples=SAMPLES,
        additional_forward_args=net.lengths(ids),
        return_convergence_delta=True,
    )
    return found.sum(-1)


ROWS = {
    "grad": Row(saliency, "grad", {"norm": "l1"}, 1, agree=True),
    "grad-x-input": Row(input_x_gradient, "grad-x-input", {}, 1, agree=True),
    "ig": Row(partial(integrated, steps=50), "ig", {"baseline": "zero"}, 50),
    "ig-500": Row(partial(integrated, steps=500), "ig", {"baseline": "zero"}, 500),
    "expected-grad": Row(gradient_shap, "expected-grad", {"samples": SAMPLES}, SAMPLES),
}


class Peer(torch.nn.Module):
    """The torch network as Captum is given it: the probability of ids, or of embeddings."""

    def __init__(self, network: RecurrentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Of ids."""
        return self.network(ids, lengths).sigmoid()[:, 0]

    def scored(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Of embeddings."""
        return self.network.from_embeddings(x, lengths).sigmoid()[:, 0]

    def embedding(self, ids: torch.Tensor) -> torch.Tensor:
        """As Captum wants them."""
        return self.network.embedding(ids).detach().requires_grad_()

    def lengths(self, ids: torch.Tensor) -> torch.Tensor:
        """Of one text."""
        return torch.tensor([ids.shape[1]])


def models(name: str | None) -> tuple[RecurrentClassifier, Peer]:
    """Ours and Captum's, of the same weights; zero is the embedding of padding."""
    if name:
        return rnnx.load(name), Peer(load_network(name))
    torch.manual_seed(0)
    words = Vocabulary(SPECIAL + tuple(f"w{i}" for i in range(20_000)))
    vectors = torch.randn(len(words), 100)
    vectors[0] = 0
    spec = Spec("lstm", "last", ("negative", "positive"))
    network = RecurrentNetwork(spec, vectors, hidden=128).eval()
    engine = checkpoint.assemble(spec, {key: tensor.numpy() for key, tensor in network.state_dict().items()})
    return RecurrentClassifier("random", spec.labels, TOKENIZERS[spec.tokenizer], words, engine), Peer(network)


def drawn(count: int, median: int, words: int, few: int | None = None) -> Texts:
    """Texts of random words, their lengths log-normal; those of the first ``few`` again and again."""
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.normal(np.log(median), 0.5, count)).round().clip(3, 3 * median).astype(int)
    lengths = np.resize(lengths[:few], count)
    return [rng.integers(len(SPECIAL), words, n).tolist() for n in lengths]


def ours(model: RecurrentClassifier, texts: Texts, row: Row, seed: int = 0) -> tuple[list[Array], float]:
    """The scores of each text, and how often the model was evaluated on a text, if the method says so."""
    method = registry.method(row.ours)
    known = settings.signature(method.function).settings
    given = {name: value for name, value in {"of": "prob", **row.given}.items() if name in known}
    function, drawing = registry.load(method.function), getattr(settings.signature(method.function), "random", False)
    found: list[Array] = [np.empty(0)] * len(texts)
    evaluations, lengths = [], []
    for rows in buckets([len(text) for text in texts], BUDGET):
        batch = padded([texts[i] for i in rows])
        rngs = [generators(seed, row.ours, {}, batch)] if drawing else []
        answer = function(model, batch, np.ones(len(rows), int), *rngs, **given)
        scores = answer.found if isinstance(answer, Diagnosed) else answer
        for i, n, values in zip(rows, batch.lengths, scores, strict=True):
            found[i] = values[:n]
        points = answer.diagnostics.get("points") if isinstance(answer, Diagnosed) else None
        evaluations += (np.full(len(rows), row.evaluations) if points is None else points).tolist()
        lengths += batch.lengths.tolist()
    return found, float(np.average(evaluations, weights=lengths))


def theirs(net: Peer, texts: Texts, row: Row) -> list[Array]:
    return [row.captum(net, torch.tensor([text])).detach().numpy()[0] for text in texts]


def timed(work: Callable[[], Any], texts: Texts) -> tuple[Any, float]:
    """What it gives, and its CPU time in microseconds a token."""
    start = time.process_time()
    found = work()
    return found, 1e6 * (time.process_time() - start) / sum(map(len, texts))


def rate() -> float:
    """Floating-point operations a microsecond of a large matrix product: the best of ten."""
    a = np.random.default_rng(0).normal(size=(1024, 1024)).astype(np.float32)
    times = []
    for _ in range(10):
        start = time.process_time()
        _ = a @ a
        times.append(time.process_time() - start)
    return 2 * 1024**3 / min(times) / 1e6


def floor(model: RecurrentClassifier, evaluations: float, shared: bool) -> float:
    """Operations a token, forward and backward to the embeddings; ``shared``: the inputs projected once."""
    of_inputs = sum(2 * 2 * layer.w.size for layer in model.network.levels[0])
    of_all = sum(2 * 2 * (layer.w.size + layer.u.size) for level in model.network.levels for layer in level)
    return evaluations * of_all - (evaluations - 1) * of_inputs * shared


def errors(model: RecurrentClassifier, texts: Texts, scores: Sequence[Array]) -> str:
    """Median and largest distance of the sum of the scores from the difference of the probabilities."""
    found = []
    for text, values in zip(texts, scores, strict=True):
        batch = padded([text])
        x = model.embed(batch)
        high, low = (1 / (1 + np.exp(-model.logits(each, batch)[0, 0])) for each in (x, np.zeros_like(x)))
        found.append(abs(values.sum() - (high - low)))
    return f"{statistics.median(found):.0e}/{max(found):.0e}"


def compared(net: Peer, model: RecurrentClassifier, name: str, texts: Texts, runs: int, speed: float, few: int) -> str:
    """One line of the table."""
    row, some = ROWS[name], texts[:few]
    rounds = []
    for i in range(runs + 1):
        peer, slow = timed(lambda: theirs(net, some, row), some)
        (mine, evaluations), fast = timed(lambda: ours(model, texts, row), texts)
        if i:  # the first fills the caches
            rounds.append((slow, fast))
    slow, fast = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = [a / b for a, b in rounds]
    best = floor(model, row.evaluations, False) / speed, floor(model, evaluations, row.ours == "ig") / speed
    line = f"{name:14} {slow:9.1f} {fast:8.2f} {statistics.median(ratios):7.1f} [{min(ratios):.1f}-{max(ratios):.1f}]"
    line = f"{line:58} {slow / best[0]:7.1f} {fast / best[1]:6.1f} {evaluations:6.1f}"
    if row.ours == "ig":
        line += f"  error {errors(model, some, peer)} {errors(model, texts, mine)}"
    if row.agree:
        apart = max(np.abs(a - b).max() / np.abs(a).max() for a, b in zip(peer, mine, strict=False))
        line += f"  differ by {apart:.0e}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--model", help="a trained model of one logit in place of random weights")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    hold_memory()  # as the command line does
    model, net = models(arguments.model)
    speed = rate()
    least = floor(model, 1, False) / speed
    print(f"matrix products: {speed / 1e3:.0f} GFlop/s; the floor of one evaluation: {least:.2f} us a token")
    names = [name for name in arguments.only if ROWS[name].ours in registry.methods()]
    for part, (title, (count, median)) in enumerate(SETS.items()):
        texts = drawn(count, median, len(model.vocabulary))
        print(f"\n{count} {title}, {statistics.median(map(len, texts)):.0f} tokens in the median; us a token")
        print(f"{'':14} {'captum':>9} {'ours':>8} {'ratio':>7}{'times the floor':>34} {'evals':>6}")
        for name in names:
            few = FEW.get(name, (count, count))[part]
            print(compared(net, model, name, texts, arguments.runs, speed, few), flush=True)


if __name__ == "__main__":
    main()
