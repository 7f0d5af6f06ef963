"""Which method finds the words that the decision hangs on: comprehensiveness, on texts that you give.

    python benchmarks/faithfulness.py TEXTS [--model sentiment-lstm] [--limit 200] [METHOD ...]

For each text of 5 to 40 tokens, tokens are taken away (zero embeddings) in the order of their scores, the highest
first: how much does the probability of the predicted label fall, on average over all numbers of tokens taken away?
DeYoung et al. 2020 (comprehensiveness), over all thresholds instead of five. Random order is the yardstick.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import rnnx
from rnnx.data import readers
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Batch
from rnnx.models.scores import probabilities

METHODS = ["grad", "grad-x-input", "lrp", "deeplift", "ig"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--model", default="sentiment-lstm")
    parser.add_argument("--limit", type=int, default=200)
    arguments = parser.parse_args()
    model = rnnx.load(arguments.model)
    rows = readers.read(arguments.texts, lambda fault: print(fault, file=sys.stderr))
    texts = [row.text for row in rows if 5 <= len(model.tokenize(row.text)) <= 40][: arguments.limit]
    print(f"{len(texts)} texts, {arguments.model}")
    print(f"{'method':16} {'comprehensiveness':>18} {'standard error':>15} {'ms a text':>10}")
    rng = np.random.default_rng(0)
    report("random", model, texts, [rng.random(len(model.tokenize(text))) for text in texts], 0)
    for method in arguments.methods:
        start = time.perf_counter()
        found = [np.array(e.evidence.scores) for e in rnnx.explain(model, texts, method=method)]
        report(method, model, texts, found, 1000 * (time.perf_counter() - start) / len(texts))


def report(name: str, model: RecurrentClassifier, texts: list[str], scores: list[np.ndarray], ms: float) -> None:
    falls = [comprehensiveness(model, text, s) for text, s in zip(texts, scores, strict=True)]
    error = np.std(falls, ddof=1) / len(falls) ** 0.5
    print(f"{name:16} {np.mean(falls):18.3f} {error:15.3f} {ms:10.2f}")


def comprehensiveness(model: RecurrentClassifier, text: str, scores: np.ndarray) -> float:
    """The mean fall of the predicted label's probability."""
    batch, n = model.encode([text]), len(scores)
    kept = np.ones((n + 1, n))
    for taken, token in enumerate(np.argsort(-scores, kind="stable"), 1):
        kept[taken:, token] = 0
    x = model.embed(batch) * kept[:, :, None].astype(np.float32)
    p = probabilities(model.logits(x, Batch(np.repeat(batch.ids, n + 1, 0), np.full(n + 1, n))))
    label = p[0].argmax()
    return float((p[0, label] - p[1:, label]).mean())


if __name__ == "__main__":
    main()
