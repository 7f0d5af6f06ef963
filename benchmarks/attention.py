"""Does attention explain? The published tests on a model and a file of texts, as rows of a Markdown table.

    python benchmarks/attention.py TEXTS --model RUN [--limit 500] [--published sst|imdb]

Kendall's tau of the weights with gradients and with leave-one-out, by predicted label, mean and standard deviation over
the texts, beside those of Jain & Wallace 2019 for their LSTM in both directions; then the other figures of
``rnnx explain --check``.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice
from pathlib import Path

import rnnx
from rnnx import attending, verdict
from rnnx.data import readers
from rnnx.types import Explanation

# From the tables in the authors' repository, the two classes in their order.
PUBLISHED = {
    "sst": {"gradients": ".343 ± .211, .364 ± .210", "leave-one-out": ".272 ± .188, .323 ± .192"},
    "imdb": {"gradients": ".442 ± .057, .432 ± .065", "leave-one-out": ".341 ± .070 (all)"},
}
TAUS = {"gradients": "tau_gradient", "leave-one-out": "tau_leave_one_out"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--model", default="sentiment-attention")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--published", choices=PUBLISHED)
    arguments = parser.parse_args()
    model = rnnx.load(arguments.model)
    rows = readers.read(arguments.texts, lambda fault: print(fault, file=sys.stderr))
    texts = [row.text for row in islice(rows, arguments.limit)]
    start = time.perf_counter()
    found = list(attending.checked(model, rnnx.explain(model, texts, "attention")))
    seconds = time.perf_counter() - start
    print(
        f"{arguments.model}, {len(texts)} texts of {arguments.texts.name}, {1000 * seconds / len(texts):.0f} ms a text"
    )
    print("\n| τ with | all | " + " | ".join(f"predicted {label}" for label in model.labels) + " | published |")
    print("|---" * (3 + len(model.labels)) + "|")
    for name, key in TAUS.items():
        groups = [found, *([e for e in found if e.prediction.label == label] for label in model.labels)]
        published = PUBLISHED[arguments.published][name] if arguments.published else ""
        print(f"| {name} | " + " | ".join(figure(group, key) for group in groups) + f" | {published} |")
    print()
    for key in verdict.FIGURES[2:]:
        print(f"{key}: {figure(found, key)}")


def figure(explanations: list[Explanation], key: str) -> str:
    """Mean, standard deviation, and of how many texts."""
    reports = [e.diagnostics["check"] for e in explanations]
    count = sum(report[key] is not None for report in reports)
    mean, spread = verdict.means(verdict.sums(reports))[key], verdict.deviations(verdict.sums(reports))[key]
    return f"{mean:.3f} ± {spread:.3f} ({count})" if mean is not None else "–"


if __name__ == "__main__":
    main()
