"""How long the page of a file of texts takes to open in a browser.

    python benchmarks/html.py [--texts 5000] [--source sample_data/reviews.jsonl] [--repeats 5] [--browser chromium]

The texts of the source, again and again up to the number, are explained (grad-x-input, with trust) and written as HTML.
``laid out`` is the time from the start of the navigation until all is loaded, the page's script has run, and what can be
seen is laid out, as the page itself measures it; ``drawn`` is the time of a whole headless browser that makes a picture
of the page, less that of one that makes a picture of an empty page. ``filter`` and ``sort`` are one change each, with
the layout after it. Medians, in seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from itertools import cycle, islice
from pathlib import Path

MEASURE = """
addEventListener("load", () => {
  const laid = () => document.body.offsetHeight, found = {};
  const timed = (name, action) => { const t = performance.now(); action(); laid(); found[name] = performance.now() - t; };
  laid();
  found.opened = performance.now();
  const form = document.getElementById("filter");
  const set = (field, value) => { field.value = value; field.dispatchEvent(new Event("input", { bubbles: true })); };
  timed("filter", () => set(form.word, "the"));
  timed("sort", () => set(form.sort, "surest"));
  document.title = JSON.stringify(found);
});
"""


def page(source: Path, texts: int, target: Path) -> None:
    """Explain, and write as HTML."""
    lines = [line for line in source.read_text("utf-8").splitlines() if line.strip()]
    data = target.with_suffix(".jsonl")
    data.write_text("".join(f"{line}\n" for line in islice(cycle(lines), texts)), "utf-8")
    argv = ["-m", "rnnx", "explain", str(data), "--method", "grad-x-input", "--output", str(target)]
    start = time.monotonic()
    subprocess.run([sys.executable, "-P", *argv], check=True, stderr=subprocess.DEVNULL)
    print(f"{texts:,} texts, {target.stat().st_size / 1e6:.1f} MB, written in {time.monotonic() - start:.1f} s")


def measuring(path: Path) -> Path:
    """A copy that measures itself; its policy allows that."""
    allowed = b64encode(hashlib.sha256(MEASURE.encode()).digest()).decode()
    text = path.read_text("utf-8").replace("script-src ", f"script-src 'sha256-{allowed}' ", 1)
    copy = path.with_stem("measuring")
    copy.write_text(text.replace("<body>", f"<body><script>{MEASURE}</script>", 1), "utf-8")
    return copy


def browse(browser: str, path: Path, *flags: str) -> tuple[str, float]:
    """What a browser prints, and how long it runs."""
    argv = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1300,900", *flags, path.as_uri()]
    start = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stdout, time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--source", type=Path, default=Path("sample_data/reviews.jsonl"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--browser", default="chromium")
    args = parser.parse_args()
    if shutil.which(args.browser) is None:
        parser.error(f"there is no {args.browser} here; name a Chromium with --browser")
    with tempfile.TemporaryDirectory() as folder:
        path, empty, picture = Path(folder, "page.html"), Path(folder, "empty.html"), f"--screenshot={folder}/page.png"
        page(args.source, args.texts, path)
        empty.write_text("<!doctype html><title></title>")
        copy, found, drawn = measuring(path), [], []
        for _ in range(args.repeats):
            dumped, _ = browse(args.browser, copy, "--dump-dom")
            said = re.search(r"<title>(\{.*?\})</title>", dumped)
            found.append(json.loads(said[1]) if said else {})
            drawn.append(browse(args.browser, path, picture)[1] - browse(args.browser, empty, picture)[1])
        for name, label in (("opened", "laid out"), ("filter", "filter"), ("sort", "sort")):
            print(f"{label:9} {statistics.median(times[name] for times in found) / 1000:.2f}")
        print(f"{'drawn':9} {statistics.median(drawn):.2f}")


if __name__ == "__main__":
    main()
