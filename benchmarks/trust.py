"""Does the trust line predict how faithful an explanation is? On texts that the model was not trained on.

    python benchmarks/trust.py DATA [--model sentiment-attention] [--limit 300] [--long 60] [METHOD ...]

DATA is a folder with sst_dev.jsonl.gz (Socher et al. 2013; tokens) and imdb_train.jsonl.gz (Maas et al. 2011; text),
of which only those reviews are read that scripts/prepare_sentiment_data.py holds out from training. Of each, up to so
many texts are drawn: sentences of 5 to 40 tokens, reviews of 40 to 200. For every method the fast trust line, and the
normalised comprehensiveness of the same explanation: where the mean fall of the probability is between the worst order
of the text's tokens (0) and the best (1). The table gives its mean by level, the share that is at least 0.7, and how
both are correlated over explanations (Spearman) and within each method.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import rnnx
from rnnx import registry
from rnnx.metrics.correlation import spearman
from rnnx.metrics.limits import limits, normalised_comprehensiveness
from rnnx.models.batching import BUDGET, buckets
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.types import Explanation

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from prepare_sentiment_data import BRACKETS, bucket

METHODS = [
    "lrp", "cd", "kernel-shap", "deeplift", "ig", "expected-grad", "lime", "smoothgrad-x-input", "occlusion",
    "occlusion-fast", "grad-x-input", "attention", "grad",
]  # fmt: skip
LEVELS = ("high", "medium", "low")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--model", default="sentiment-attention")
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--long", type=int, default=60)
    arguments = parser.parse_args()
    model = rnnx.load(arguments.model)
    methods = [name for name in arguments.methods if registry.method(name).needs <= model.provides]
    sources = {
        "SST sentences": drawn(model, sentences(arguments.data), 5, 40, arguments.limit),
        "IMDB reviews": drawn(model, reviews(arguments.data), 40, 200, arguments.long),
    }
    for name, texts in sources.items():
        print(f"\n{len(texts)} {name}, {arguments.model}\n")
        report(*measured(model, texts, methods), methods)


def sentences(data: Path) -> Iterator[str]:
    for row in rows(data / "sst_dev.jsonl.gz"):
        tokens = (BRACKETS.get(t, t.replace("\\/", "/").replace("\\*", "*")) for t in row["tokens"])
        yield " ".join(tokens)


def reviews(data: Path) -> Iterator[str]:
    return (row["text"] for row in rows(data / "imdb_train.jsonl.gz") if bucket(row["text"]) < 10)


def rows(path: Path) -> Iterator[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def drawn(model: RecurrentClassifier, texts: Iterator[str], shortest: int, longest: int, limit: int) -> list[str]:
    fitting = [text for text in texts if shortest <= len(model.tokenize(text)) <= longest]
    return [fitting[i] for i in np.random.default_rng(0).permutation(len(fitting))[:limit]]


def measured(model: RecurrentClassifier, texts: list[str], methods: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Levels (methods, texts) as numbers, and normalised comprehensiveness."""
    found = [list(rnnx.explain(model, texts, method, trust="fast")) for method in methods]
    levels = np.array([[LEVELS.index(e.diagnostics["trust"]["level"]) for e in row] for row in found])
    carried = np.array([[e.diagnostics["trust"]["carried"] for e in row] for row in found])
    faithful = np.empty(levels.shape)
    for part in buckets([len(model.tokenize(text)) for text in texts], BUDGET // 4):
        batch = model.encode([texts[i] for i in part])
        target = np.array([model.labels.index(found[0][i].target) for i in part])
        room = limits(model, batch, target)
        for j in range(len(methods)):
            scores = padded([found[j][i] for i in part])
            faithful[j, part] = normalised_comprehensiveness(model, batch, target, scores, room)
    return np.stack([levels, carried]), faithful


def padded(explanations: list[Explanation]) -> np.ndarray:
    scores = np.zeros((len(explanations), max(len(e.tokens) for e in explanations)))
    for row, e in zip(scores, explanations, strict=True):
        row[: len(e.tokens)] = e.evidence.scores
    return scores


def report(said: np.ndarray, faithful: np.ndarray, methods: list[str]) -> None:
    levels, carried = said
    print(f"| method | {' | '.join(f'{level}: number, mean' for level in LEVELS)} | all | correlation |")
    print("|---|" + "---|" * (len(LEVELS) + 2))
    for name, own, share, values in zip(methods, levels, carried, faithful, strict=True):
        print(line(f"`{name}`", own, share, values))
    print(line("all", levels.ravel(), carried.ravel(), faithful.ravel()))
    shares = [(faithful[levels == k] >= 0.7).mean() for k in range(len(LEVELS))]
    print("\nat least 0.7: " + ", ".join(f"{share:.0%} of {n}" for share, n in zip(shares, LEVELS, strict=True)))


def line(name: str, levels: np.ndarray, carried: np.ndarray, faithful: np.ndarray) -> str:
    there = ~np.isnan(faithful)
    levels, carried, faithful = levels[there], carried[there], faithful[there]
    cells = []
    for k in range(len(LEVELS)):
        own = faithful[levels == k]
        cells.append(f"{len(own)}, {own.mean():.2f}" if len(own) else "0")
    return f"| {name} | {' | '.join(cells)} | {faithful.mean():.2f} | {spearman(carried, faithful):.2f} |"


if __name__ == "__main__":
    main()
