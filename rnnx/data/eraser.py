"""Folders of the ERASER benchmark (DeYoung et al. 2020): documents of words, spans that people have marked, and
explanations of them.

A folder has the documents in ``docs.jsonl``, or each in a file of ``docs/``, and annotations in ``SPLIT.jsonl``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from rnnx.data.readers import Fault, Row, text_lines
from rnnx.data.rows import encodes
from rnnx.errors import DataError
from rnnx.types import LeftOut

HINT = "a folder with docs.jsonl (or docs/) and SPLIT.jsonl, as of the ERASER benchmark"


class Document(NamedTuple):
    """An annotated document: its name, and the text of its words, joined by blanks, as a row."""

    name: str
    row: Row

    @property
    def edges(self) -> list[int]:
        """Where each word begins, and where the next one would."""
        return [0, *accumulate(len(word) + 1 for word in self.row.text.split(" "))]

    def spread(self, scores: list[float], starts: Iterable[int]) -> list[float]:
        """Of scores, one a word, those of the words that stand at the characters ``starts``."""
        edges = self.edges
        return [scores[sum(edge <= start for edge in edges) - 1] for start in starts]


def read(folder: Path, split: str, fault: Fault) -> Iterator[Document]:
    """The documents of a split, with their labels and marked spans; each annotation must be of one document.

    Raises DataError where the folder is not of that kind; ``fault`` is told of an annotation that cannot be used.
    """
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        there = sorted(p.stem for p in folder.glob("*.jsonl") if p.stem != "docs") if folder.is_dir() else []
        raise DataError(f"{path}: no such file", f"splits of {folder}: {', '.join(there)}" if there else HINT)
    table = _table(folder)
    for number, line in enumerate(text_lines(path), 1):
        where = f"{path}:{number}"
        try:
            yield _document(json.loads(line), table, folder, where)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            fault(LeftOut(where, "not an annotation of one document", str(error)))


def _table(folder: Path) -> dict[str, str]:
    path = folder / "docs.jsonl"
    if not path.is_file():
        return {}
    found = (json.loads(line) for line in text_lines(path))
    try:
        return {each["docid"]: each["document"] for each in found}
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} holds no documents", HINT) from None


def _document(annotation: Mapping[str, Any], table: Mapping[str, str], folder: Path, where: str) -> Document:
    evidences = [evidence for group in annotation["evidences"] for evidence in group]
    name = annotation["annotation_id"]
    docids = {*(annotation.get("docids") or ()), *(evidence["docid"] for evidence in evidences)} or {name}
    (docid,) = docids
    text = table[docid] if table else "".join(text_lines(folder / "docs" / docid))
    if not encodes(text):
        raise ValueError("not UTF-8")
    words = text.split()
    edges = [0, *accumulate(len(word) + 1 for word in words)]
    marks = tuple(sorted((edges[e["start_token"]], edges[e["end_token"]] - 1) for e in evidences))
    return Document(name, Row(" ".join(words), annotation["classification"], where, marks=marks))


class Results(NamedTuple):
    """Scores, one a word, by annotation; and whether they have a sign, of which the format knows nothing."""

    scores: dict[str, list[float]]
    signed: bool


def explanations(path: Path) -> Results:
    """What a file of results says; unsigned are those that say so, as ours do, in a field that others do not read.

    Raises DataError for a file that is none.
    """
    found, signs = dict[str, list[float]](), set[bool]()
    for number, line in enumerate(text_lines(path), 1):
        try:
            result = json.loads(line)
            (rationale,) = result["rationales"]
            found[result["annotation_id"]] = [float(score) for score in rationale["soft_rationale_predictions"]]
            signs.add(result.get("signed") is not False)
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{path}:{number}: no soft_rationale_predictions of one document", "one score a word of the document"
            ) from None
    if len(signs) > 1:
        raise DataError(f"{path}: some lines have signed scores and others do not", "one method a file")
    return Results(found, False not in signs)


def write(folder: Path, documents: Mapping[str, tuple[list[str], str, list[tuple[int, int]]]], split: str) -> None:
    """Documents by name: their words, label and marked spans, in words. Raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines(
            [{"docid": name, "document": " ".join(words)} for name, (words, _, _) in documents.items()],
            folder / "docs.jsonl",
        )
        lines([_annotation(name, *each) for name, each in documents.items()], folder / f"{split}.jsonl")
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}", "choose a place that you may write to") from None


def lines(records: Iterable[Mapping[str, Any]], path: Path) -> None:
    """A JSON object a line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")


def _annotation(name: str, words: list[str], label: str, spans: list[tuple[int, int]]) -> dict[str, Any]:
    evidences = [
        {"docid": name, "start_token": start, "end_token": end, "text": " ".join(words[start:end])}
        for start, end in spans
    ]
    evidences = [{**evidence, "start_sentence": -1, "end_sentence": -1} for evidence in evidences]
    return {
        "annotation_id": name,
        "query": "",
        "evidences": [evidences] if evidences else [],
        "classification": label,
        "query_type": None,
        "docids": [name],
    }
