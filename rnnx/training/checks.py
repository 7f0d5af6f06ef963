"""What a config names and is not there, found before anything long starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rnnx.config import Config
from rnnx.data.files import exists
from rnnx.data.sources import HUGGINGFACE
from rnnx.errors import ConfigError, RnnxError
from rnnx.models import catalog
from rnnx.text.tokenizer import TOKENIZERS


def check(config: Config) -> None:
    """Raise ConfigError with a line for each file, folder, model or package that is missing."""
    missing = list(_missing(config))
    if len(missing) > 1:
        lines = [error.message for error in missing]
        raise ConfigError("\n".join([f"{len(lines)} things are missing", *lines]), "check their names")
    for error in missing:
        raise error


def _missing(config: Config) -> Iterator[RnnxError]:
    data, vectors = config.data, config.text.vectors
    for part in ("train", "dev", "test") if data else ():
        for source in getattr(data, part):
            path = Path(data.folder if data else "", source.path)
            if not source.path.startswith(HUGGINGFACE) and not exists(path):
                hint = "check the name; relative paths start at data.folder"
                yield ConfigError(f"data.{part}: {path}: no such file or folder", hint)
    if vectors and not vectors.startswith("package:") and vectors not in catalog.names() and not exists(Path(vectors)):
        yield ConfigError(f"text.vectors: {vectors}: no such file or model", "check the name")
    for name in config.training.teachers:
        try:
            catalog.folder(name)
        except RnnxError as error:
            yield ConfigError(f"training.teachers: {error.message}", error.hint)
    try:
        TOKENIZERS[config.text.tokenizer]("\u4e2d\u6587")
    except RnnxError as error:
        yield error
