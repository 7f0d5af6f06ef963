"""What ``data.train``, ``dev`` and ``test`` of a config name: files, folders of classes, Hugging Face data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rnnx.config import Data, Source
from rnnx.data import huggingface, readers
from rnnx.data.rows import NOT_UTF8, Fault, Row, encodes
from rnnx.errors import DataError
from rnnx.types import LeftOut

HUGGINGFACE = "hf:"


def rows(source: Source, data: Data, fault: Fault) -> Iterator[Row]:
    """The rows of a source, as they come; all have a label where the source itself says which.

    ``fault`` hears of bad rows, and of a folder's classes that are not among ``data.labels``. Raises DataError for
    what is missing, cannot be read or lacks a field; ConfigError for a package that is missing.
    """
    path = Path(data.folder) / source.path
    labelled = source.label is None
    if source.path.startswith(HUGGINGFACE):
        must = (*data.fields, data.label) if labelled else data.fields
        name = source.path.removeprefix(HUGGINGFACE)
        stream = huggingface.rows(name, Path(data.folder), source.split, must)
        found = readers.told(readers.checked(stream, readers.Ask(data.fields, data.label, labelled)), fault)
    elif path.is_dir():
        found = _classes(source.path, path, data, fault)
    else:
        _needs_labels(path, labelled)
        found = readers.read(path, fault, text=data.fields, label=data.label, labelled=labelled)
    return found if labelled else (row._replace(label=source.label) for row in found)


def _needs_labels(path: Path, labelled: bool) -> None:
    """Raise DataError for a text a line whose label nothing says."""
    kind = readers.suffix(path)
    if labelled and path.is_file() and not readers.has_fields(path) and kind not in readers.FOREIGN:
        hint = f"say it in the config: {{path: {path.name}, label: positive}}"
        if kind != ".txt":
            hint += f"; files with labels end in {' '.join(sorted(readers.FORMATS - {'.txt'}))}"
        raise DataError(f"{path} is a text a line, without labels", hint)


def _classes(name: str, folder: Path, data: Data, fault: Fault) -> Iterator[Row]:
    """A folder with a folder a class (of .txt files, a text each), or else with a .txt file a class.

    ``name`` is what the config calls the folder.
    """
    if huggingface.saved(folder):
        raise DataError(f"{folder} is a data set that Hugging Face saved", f"name it {HUGGINGFACE}{name}")
    for entry in _entries(name, folder):
        label = entry.name if entry.is_dir() else readers.stem(entry)
        texts = _texts(entry, fault) if entry.is_dir() else readers.read(entry, fault)
        if data.labels and label not in data.labels:
            fault(LeftOut(str(entry), f"the class {label!r} is none of data.labels", rows=_size(entry)))
        else:
            yield from (row._replace(label=label) for row in texts)


def _entries(name: str, folder: Path) -> list[Path]:
    """The folders or files of a folder that are a class each. Raises DataError if there is none, or are others."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "_")))
    found = [entry for entry in entries if entry.is_dir()]
    if found:
        return found
    others = [entry.name for entry in entries if readers.has_fields(entry)]
    if others:
        listed = ", ".join(others[:3]) + (", \u2026" if len(others) > 3 else "")
        raise DataError(f"{folder} holds data files: {listed}", f"name each of them, as {Path(name) / others[0]}")
    found = [entry for entry in entries if readers.suffix(entry) == ".txt"]
    if not found:
        hint = "it should hold a folder of .txt files a class, or a .txt file a class"
        raise DataError(f"{folder} holds no classes", hint)
    return found


def _size(entry: Path) -> int:
    """How many texts a class has."""
    return len(_files(entry)) if entry.is_dir() else sum(bool(line.strip()) for line in readers.text_lines(entry))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.txt"))


def _texts(folder: Path, fault: Fault) -> Iterator[Row]:
    """Each .txt file of a folder as a text. Raises DataError if there is none."""
    files = _files(folder)
    if not files:
        raise DataError(f"{folder}: no .txt file in it", "it should hold the texts of the class, a file each")
    for file in files:
        text = "".join(readers.text_lines(file)).strip()
        if not encodes(text):
            fault(LeftOut(str(file), NOT_UTF8))
        elif text:
            yield Row(text, None, str(file))
        else:
            fault(LeftOut(str(file), "no text in it"))
