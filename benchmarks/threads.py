"""How many threads a training should have: the same first steps of it with one thread, two, four, and so on.

    python benchmarks/threads.py CONFIG [--steps 40] [--runs 5]

Prints medians in milliseconds a step and their ratio to one thread, all counts in turn in each round, so that a
machine whose speed drifts slows them alike. Needs the config's data.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from itertools import islice

import torch

from rnnx.config import load
from rnnx.training import progress
from rnnx.training.loop import fit
from rnnx.training.run import Job, plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    job = plan(load(arguments.config, {"training.device": "cpu"}), lambda what: print(what, file=sys.stderr))
    cores = os.cpu_count() or 1
    counts = sorted({1, cores, *(n for n in (2, 4, 8, 16, 32) if n < cores)})
    times: dict[int, list[float]] = {n: [] for n in counts}
    for round_ in range(arguments.runs + 1):
        for n in counts:
            seconds = measured(job, n, arguments.steps)
            if round_:  # the first fills the caches
                times[n].append(seconds)
    print(f"{'threads':>8} {'ms a step':>10} {'/ one':>8}")
    for n, found in times.items():
        ratio = statistics.median(a / b for a, b in zip(found, times[1], strict=True))
        print(f"{n:8} {1000 * statistics.median(found):10.1f} {ratio:8.2f}")


def measured(job: Job, threads: int, steps: int) -> float:
    """Seconds a step."""
    torch.set_num_threads(threads)
    settings = job.config.training
    events = fit(progress.start(job.network, settings, job.config.seed), job.material.train, job.material.dev, settings)
    next(events)  # makes the epoch's batches
    start = time.perf_counter()
    done = sum(1 for _ in islice(events, steps))
    return (time.perf_counter() - start) / done


if __name__ == "__main__":
    main()
