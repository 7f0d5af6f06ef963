"""Hugging Face data sets: those of the hub, and local ones that the package ``datasets`` wrote or can read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from rnnx.data.rows import need
from rnnx.errors import ConfigError, DataError, did_you_mean

_BUILDERS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".txt": "text"}


def rows(name: str, folder: Path, split: str, must: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, fields by column) for each row of a split; the names of classes in place of their numbers.

    ``name`` is a file or folder, looked for in ``folder``, else a data set of the hub, perhaps with one of its
    configurations: NAME:CONFIGURATION. Raises DataError for what cannot be read, for a split or column that is not
    there; ConfigError without the package ``datasets``.
    """
    datasets = _package(name)
    try:
        found = _opened(datasets, name, folder / name, split)
        features = found.features or {}
        need(must, found.column_names or must, f"hf:{name}")
        classes = {field: feature.names for field, feature in features.items() if hasattr(feature, "names")}
        for number, fields in zip(count(1), found, strict=False):
            yield f"hf:{name}:row {number}", {k: _named(v, classes.get(k)) for k, v in fields.items()}
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"hf:{name}, split {split}: {reason}", "check the name, the split, and the network") from None


def saved(folder: Path) -> bool:
    """Whether a folder is what ``save_to_disk`` wrote."""
    return any((folder / file).exists() for file in ("state.json", "dataset_dict.json"))


def _opened(datasets: Any, name: str, path: Path, split: str) -> Any:
    if saved(path):
        found = datasets.load_from_disk(str(path))
        if not isinstance(found, datasets.DatasetDict):
            return found  # of one split
        if split not in found:
            raise DataError(f"hf:{name}: no split {split!r}", did_you_mean(split, sorted(found)))
        return found[split]
    if path.is_file():
        builder = _BUILDERS.get(path.suffix.lower(), "text")
        return datasets.load_dataset(builder, data_files={split: str(path)}, split=split, streaming=True)
    if path.is_dir():  # streamed, so that nothing is copied into the cache
        return datasets.load_dataset(str(path), split=split, streaming=True)
    name, _, configuration = name.partition(":")
    return datasets.load_dataset(name, configuration or None, split=split)


def _package(name: str) -> Any:
    """The package, without its progress bars."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its imports, which are no business of ours
            import datasets
    except ImportError:
        raise ConfigError(f"reading hf:{name} needs datasets", 'pip install "rnnx[hf]"') from None
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    return datasets


def _named(value: Any, names: Sequence[str] | None) -> Any:
    """A class by its name; no label for a number that is none, as -1 in many hidden test sets."""
    if names is None or not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None
