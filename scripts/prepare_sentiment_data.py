"""Make the training files of the shipped sentiment models from the public data sets.

    python scripts/prepare_sentiment_data.py SOURCE data/sentiment

SOURCE holds, as gzipped JSON lines: imdb_train (Maas et al. 2011; text, label), sst_train (Socher et al. 2013;
tokens, phrases as [start, end, label 0-4]), sst2_train and sst2_dev (its two-class sentences; text, label), and
cad_train (Kaushik et al. 2020; original and edited, each with text and label). None of them may be redistributed
here; they come from Stanford, the ACL anthology or the Hugging Face hub.

IMDB is split by a hash of the text: 10 % are held out for the model card, 5 % measure progress, the rest trains.
Counterfactual edits of held-out reviews are left out. SST gives every phrase that is not neutral, once.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-lrb-": "(", "-rrb-": ")", "``": '"', "''": '"'}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    source, target = arguments.source, arguments.target
    target.mkdir(parents=True, exist_ok=True)

    imdb = list(read(source / "imdb_train.jsonl.gz"))
    write(target / "imdb_test.jsonl.gz", (row for row in imdb if bucket(row["text"]) < 10))
    write(target / "imdb_dev.jsonl.gz", (row for row in imdb if 10 <= bucket(row["text"]) < 15))
    write(target / "imdb_train.jsonl.gz", (row for row in imdb if bucket(row["text"]) >= 15))
    held_out = {row["text"] for row in imdb if bucket(row["text"]) < 15}
    edited = (r["edited"] for r in read(source / "cad_train.jsonl.gz") if r["original"]["text"] not in held_out)
    write(target / "cad_train.jsonl.gz", edited)
    write(target / "sst_phrases.jsonl.gz", phrases(read(source / "sst_train.jsonl.gz")))
    for name in ("sst2_train", "sst2_dev"):
        write(target / f"{name}.jsonl.gz", read(source / f"{name}.jsonl.gz"))


def bucket(text: str) -> int:
    """0 to 99, the same for a text everywhere and always."""
    return int(hashlib.sha256(f"held out: {text}".encode()).hexdigest(), 16) % 100


def phrases(trees: Iterable[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Every phrase that is not neutral, without regard to case only once, with its last label."""
    found: dict[str, dict[str, str]] = {}
    for tree in trees:
        for start, end, label in tree["phrases"]:
            if label != 2:
                words = (BRACKETS.get(t, t.replace("\\/", "/").replace("\\*", "*")) for t in tree["tokens"][start:end])
                text = " ".join(words)
                found[text.lower()] = {"text": text, "label": "positive" if label > 2 else "negative"}
    yield from found.values()


def read(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    count = 0
    # No time stamp and no name inside, so that the same input gives the same bytes.
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
        for row in rows:
            stream.write((json.dumps({"text": row["text"], "label": row["label"]}, ensure_ascii=False) + "\n").encode())
            count += 1
    print(f"{path}: {count:,} texts")


if __name__ == "__main__":
    main()
