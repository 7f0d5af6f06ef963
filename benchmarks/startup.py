"""How long a command takes as a whole process, beside ``import torch`` and ``import numpy``.

    python benchmarks/startup.py [--runs 11] [--check]

Prints medians in seconds and their ratio to ``python -c "import torch"``, all commands in turn in each round, so
that a machine whose speed drifts slows them alike. With --check, fails if a light command takes 0.25 s or more, or
an explanation more than a quarter of the time of ``import torch``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

TORCH = "import torch"
COMMANDS = {
    TORCH: [sys.executable, "-c", "import torch"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "import typer": [sys.executable, "-c", "import typer"],
    "import rich.console": [sys.executable, "-c", "import rich.console"],
    "rnnx --help": [sys.executable, "-m", "rnnx", "--help"],
    "rnnx --version": [sys.executable, "-m", "rnnx", "--version"],
    "rnnx methods": [sys.executable, "-m", "rnnx", "methods"],
    "rnnx methods grad": [sys.executable, "-m", "rnnx", "methods", "grad"],
    "rnnx explain (plain)": [sys.executable, "-m", "rnnx", "explain", "I expected to hate it but loved it"],
    "rnnx explain (picture)": [
        sys.executable, "-m", "rnnx", "explain", "--color", "always", "I expected to hate it but loved it",
    ],
    "rnnx explain --view chain": [sys.executable, "-m", "rnnx", "explain", "--view", "chain", "a dull film"],
}  # fmt: skip
PROMISED = [name for name in COMMANDS if name.startswith("rnnx") and "chain" not in name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    runs = arguments.runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for round_ in range(runs + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if round_:  # the first fills the caches
                times[name].append(time.perf_counter() - start)
    print(f"{'':28} {'median':>8} {'min':>8} {'max':>8} {'/ torch':>8}")
    for name, found in times.items():
        ratio = statistics.median(a / b for a, b in zip(found, times[TORCH], strict=True))
        median = statistics.median(found)
        print(f"{name:28} {median:8.3f} {min(found):8.3f} {max(found):8.3f} {ratio:8.3f}")
        slow = ratio > 0.25 if name.startswith("rnnx explain") else median >= 0.25
        if arguments.check and slow and name in PROMISED:
            sys.exit(f"{name} takes too long")


if __name__ == "__main__":
    main()
