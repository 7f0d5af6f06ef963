"""Explanations to and from the format of the ERASER benchmark, whose own scorer then gives the same figures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnx.data import eraser
from rnnx.errors import DataError
from rnnx.evaluation import Evaluation, Judged, Record, collated
from rnnx.explainers import Explainer
from rnnx.metrics.erasure import THRESHOLDS, distributions
from rnnx.metrics.plausibility import chosen, spans
from rnnx.metrics.ranking import importance
from rnnx.models.batching import buckets
from rnnx.models.protocols import Array, Batch, Classifier, Integers
from rnnx.models.scores import probabilities

SPLIT = "test"
SHARE = 0.2  # of a text that is its hard rationale, where people have marked nothing


def export(folder: Path, evaluation: Evaluation, records: Sequence[Record]) -> list[Path]:
    """Write documents and annotations, and for each method its results, as ERASER's scorer reads them.

    The words of the documents are the model's tokens. Where people have marked texts, only those with marks are
    written, as the scorer wants; it then gives the same figures as our metrics. Returns the files of results. Raises
    DataError for a place that cannot be written to.
    """
    people = any(text.marked and any(text.marked) for text in evaluation.texts)
    texts = {i: text for i, text in enumerate(evaluation.texts) if not people or any(text.marked or ())}
    predicted = _predicted(evaluation.model, texts)
    documents = {
        _name(i): (words(text), text.label or predicted[i], spans(np.array(text.marked or [False])))
        for i, text in texts.items()
    }
    eraser.write(folder, documents, SPLIT)
    written = []
    for method in evaluation.methods.values():
        own = [record for record in records if record.method == method.name and record.text in texts and record.scores]
        path = folder / f"{method.name}.jsonl"
        eraser.lines(_results(evaluation, method, sorted(own)), path)
        written.append(path)
    return written


def words(text: Judged) -> list[str]:
    """The tokens as words without white space."""
    return ["".join(token.text.split()) or "_" for token in text.tokens]


def _name(i: int) -> str:
    return f"text-{i:05}"


def _predicted(model: Classifier, texts: Mapping[int, Judged]) -> dict[int, str]:
    read = {i: probabilities(model.forward(collated(model, [text])))[0] for i, text in texts.items()}
    return {i: model.labels[int(p.argmax())] for i, p in read.items()}


def _results(evaluation: Evaluation, method: Explainer, records: Sequence[Record]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{}] * len(records)
    model = evaluation.model
    for rows in buckets([len(record.scores) for record in records], 4096):
        batch = collated(model, [evaluation.texts[records[i].text] for i in rows])
        scores = np.zeros(batch.ids.shape)
        for own, i in zip(scores, rows, strict=True):
            own[: len(records[i].scores)] = records[i].scores
        ranked = importance(scores, method.signed)
        share = evaluation.share or SHARE
        shown = distributions(model, batch, ranked, (*THRESHOLDS, share), evaluation.removal)
        whole, hard = probabilities(model.forward(batch)), chosen(batch, ranked, share)
        for place, i in enumerate(rows):
            own = ranked[place, : len(records[i].scores)], spans(hard[place]), whole[place], shown[:, place]
            found[i] = {**_result(model, records[i].text, *own), "signed": method.signed}
    return found


def _result(
    model: Classifier, i: int, scores: Array, hard: list[tuple[int, int]], whole: Array, shown: Array
) -> dict[str, Any]:
    """One line: ``whole`` (C,) has the probabilities of the text, ``shown`` (2, thresholds and share, C) of parts."""

    def named(values: Array) -> dict[str, float]:
        return dict(zip(model.labels, values.tolist(), strict=True))

    def parts(k: int) -> dict[str, dict[str, float]]:
        names = "comprehensiveness_classification_scores", "sufficiency_classification_scores"
        return {name: named(values) for name, values in zip(names, shown[:, k], strict=True)}

    rationale = {
        "docid": _name(i),
        "soft_rationale_predictions": scores.tolist(),
        "hard_rationale_predictions": [{"start_token": start, "end_token": end} for start, end in hard],
    }
    return {
        "annotation_id": _name(i),
        "rationales": [rationale],
        "classification": model.labels[int(whole.argmax())],
        "classification_scores": named(whole),
        **parts(len(THRESHOLDS)),
        "thresholded_scores": [{"threshold": t, **parts(k)} for k, t in enumerate(THRESHOLDS)],
    }


def given(path: Path, documents: Sequence[eraser.Document], texts: Sequence[Judged]) -> Explainer:
    """The explanations of a file as a method by its name; each token has the score of its word. Its settings are a
    digest of the scores: what was measured of other ones is not of these. It can explain these very ``texts`` alone:
    two may be the same, or the same to the model, and have other scores.

    Raises DataError for a file without a score for each word of each text.
    """
    (found, signed), by_text = eraser.explanations(path), dict[int, list[float]]()
    digest = hashlib.sha256(repr((sorted(found.items()), signed)).encode()).hexdigest()
    for document, text in zip(documents, texts, strict=True):
        scores = found.get(document.name)
        if scores is None or len(scores) != len(document.row.text.split(" ")):
            raise DataError(f"{path}: {document.name} has not one score a word", "take the results of this folder")
        by_text[id(text.tokens)] = document.spread(scores, [token.start for token in text.tokens])

    def read(_: Classifier, batch: Batch, target: Integers, **__: str) -> Array:
        scores = np.zeros(batch.ids.shape)
        for own, tokens in zip(scores, batch.tokens, strict=True):
            own[: len(tokens)] = by_text[id(tokens)]
        return scores

    return Explainer(path.stem, signed, False, read, {"sha256": digest}, again=False)
