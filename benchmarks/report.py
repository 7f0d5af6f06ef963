"""How long the page of a file of texts takes to open in a browser.

    python benchmarks/report.py [--texts 5000] [--source sample_data/reviews.jsonl] [--repeats 5]

The texts of the source, again and again up to the number, are explained (grad-x-input, with trust) and written as HTML.
``open``: from the navigation until all is loaded, the page's script has run and what can be seen is drawn. ``filter``
and ``sort``: one change each, until it is laid out. Medians, in seconds of the wall, and of the CPU time of the
processes of the browser that draw pages, which other programs on the machine hardly change.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests import browser

CHANGE = """((name, value) => {
  const field = document.getElementById("filter")[name];
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  document.body.offsetHeight;
})"""


def page(source: Path, texts: int, target: Path) -> None:
    """Explain, and write as HTML."""
    lines = [line for line in source.read_text("utf-8").splitlines() if line.strip()]
    data = target.with_suffix(".jsonl")
    data.write_text("".join(f"{line}\n" for line in islice(cycle(lines), texts)), "utf-8")
    argv = ["-m", "rnnx", "explain", str(data), "--method", "grad-x-input", "--output", str(target)]
    start = time.monotonic()
    subprocess.run([sys.executable, "-P", *argv], check=True, stderr=subprocess.DEVNULL)
    print(f"{texts:,} texts, {target.stat().st_size / 1e6:.1f} MB, written in {time.monotonic() - start:.1f} s")


def measured(tab: browser.Page, action: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    cpu, wall = tab.seconds(), time.monotonic()
    action()
    return time.monotonic() - wall, tab.seconds() - cpu


def once(program: str, path: Path) -> dict[str, tuple[float, float]]:
    """In a browser of its own."""
    with browser.page(program) as tab:
        return {
            "open": measured(tab, lambda: tab.open(path)),
            "filter": measured(tab, lambda: tab.run(f"{CHANGE}('word', 'the')")),
            "sort": measured(tab, lambda: tab.run(f"{CHANGE}('sort', 'surest')")),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--source", type=Path, default=Path("sample_data/reviews.jsonl"))
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    program = browser.found()
    if program is None:
        parser.error("there is no Chromium here")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.html")
        page(args.source, args.texts, path)
        rounds = [once(program, path) for _ in range(args.repeats)]
    for name in rounds[0]:
        wall, cpu = (statistics.median(found[name][i] for found in rounds) for i in range(2))
        print(f"{name:7} {wall:.2f} s, {cpu:.2f} s of CPU")


if __name__ == "__main__":
    main()
