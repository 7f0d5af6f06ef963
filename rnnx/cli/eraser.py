"""Texts and explanations of the ERASER benchmark, as the flags of ``rnnx evaluate`` name them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnnx.cli import inputs
from rnnx.cli.terminal import Terminal
from rnnx.errors import DataError, UsageError

if TYPE_CHECKING:
    from rnnx.data.eraser import Document
    from rnnx.data.readers import Row
    from rnnx.evaluation import Evaluation, Judged, Record
    from rnnx.explainers import Explainer


def documents(
    folder: str | None, split: str, texts: list[str] | None, explanations: list[str] | None, faults: inputs.Faults
) -> list[Document]:
    """The documents of an ERASER folder; none without one. Raises UsageError for what does not fit, DataError."""
    if folder is None:
        if explanations:
            raise UsageError("--explanations are of the texts of an ERASER folder", "give it with --eraser")
        return []
    if texts:
        raise UsageError("--eraser takes the place of other texts", "leave one of them out")
    from rnnx.data import eraser

    return list(eraser.read(Path(folder), split, faults))


def others(
    paths: list[str] | None,
    documents: Sequence[Document],
    rows: Sequence[Row],
    judged: Sequence[Judged],
) -> list[Explainer]:
    """The methods of the files of explanations. Raises DataError."""
    if not paths:
        return []
    from rnnx import exporting

    by_row = {document.row.where: document for document in documents}
    used = [by_row[row.where] for row in rows]
    return [exporting.given(Path(path), used, judged) for path in paths]


def ready(folder: str | None, force: bool) -> None:
    """Whether there is room for what is exported, asked before anything is measured. Raises DataError, UsageError."""
    path = Path(folder or "")
    if folder and path.exists() and not path.is_dir():
        raise DataError(f"{folder}: not a folder", "name another place")
    if folder and not force and path.is_dir() and any(path.iterdir()):
        raise UsageError(f"{folder} has files in it already", "name another folder, or replace them with --force")


def export(folder: str, plan: Evaluation, records: Sequence[Record], terminal: Terminal) -> None:
    """Write texts and explanations. Raises DataError."""
    from rnnx import exporting

    written = exporting.export(Path(folder), plan, records)
    terminal.say(f"wrote {len(written)} results to {folder}, with docs.jsonl and {exporting.SPLIT}.jsonl")
