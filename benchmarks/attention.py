"""Does attention explain? The published tests on a model and a file of texts.

    python benchmarks/attention.py TEXTS [--model RUN] [--limit 500] [--published sst|imdb] [--tau]

Kendall's tau of the weights with gradients and with leave-one-out, by predicted label, mean and standard deviation over
the texts, beside those of Jain & Wallace 2019 for their LSTM in both directions; then, unless only ``--tau`` is asked
for, the other figures of ``rnnx explain --check``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

import rnnx
from rnnx import attending, verdict
from rnnx.data import readers
from rnnx.metrics.attention import gradient, leave_one_out
from rnnx.metrics.correlation import by_text, kendall
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array
from rnnx.models.scores import probabilities

# From the tables in the authors' repository, the two classes in their order.
PUBLISHED = {
    "sst": {"gradients": ".343 ± .211, .364 ± .210", "leave-one-out": ".272 ± .188, .323 ± .192"},
    "imdb": {"gradients": ".442 ± .057, .432 ± .065", "leave-one-out": ".341 ± .070 (all)"},
}
TAUS = {"gradients": gradient, "leave-one-out": leave_one_out}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--model", default="sentiment-attention")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--published", choices=PUBLISHED)
    parser.add_argument("--tau", action="store_true")
    arguments = parser.parse_args()
    model = rnnx.load(arguments.model)
    rows = readers.read(arguments.texts, lambda fault: print(fault, file=sys.stderr))
    texts = [row.text for row in islice(rows, arguments.limit)]
    published = PUBLISHED.get(arguments.published, {})
    print(f"{arguments.model}, {len(texts)} texts of {arguments.texts.name}")
    print("\n| τ with | all | " + " | ".join(f"predicted {label}" for label in model.labels) + " | published |")
    print("|---" * (3 + len(model.labels)) + "|")
    labels, taus = zip(*measured(model, texts), strict=True)
    for i, name in enumerate(TAUS):
        groups = [range(len(model.labels)), *([label] for label in range(len(model.labels)))]
        cells = (figure(np.array(taus)[np.isin(labels, group), i]) for group in groups)
        print(f"| {name} | {' | '.join(cells)} | {published.get(name, '')} |")
    if not arguments.tau:
        rest(model, texts)


def measured(model: RecurrentClassifier, texts: list[str]) -> Iterator[tuple[int, list[float]]]:
    """The predicted class of each text, and its taus."""
    for text in texts:
        batch = model.encode([text])
        weights = model.attention(batch)
        taus = [float(by_text(kendall, weights, sizes(model, batch), batch)[0]) for sizes in TAUS.values()]
        yield int(probabilities(model.forward(batch))[0].argmax()), taus


def rest(model: RecurrentClassifier, texts: list[str]) -> None:
    """The figures of the check that are no taus, and what they cost."""
    start = time.perf_counter()
    found = list(attending.checked(model, rnnx.explain(model, texts, "attention")))
    each = 1000 * (time.perf_counter() - start) / len(texts)
    print()
    for name in verdict.FIGURES[2:]:
        print(f"{name}: {figure(np.array([e.diagnostics['check'][name] for e in found]))}")
    print(f"the check takes {each:.0f} ms a text")


def figure(values: Array) -> str:
    """Mean and standard deviation of those that there are, and how many these are."""
    there = values[~np.isnan(values)]
    return f"{there.mean():.3f} ± {there.std(ddof=1):.3f} ({len(there)})" if len(there) > 1 else "–"


if __name__ == "__main__":
    main()
