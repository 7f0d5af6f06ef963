"""Texts as they are given, to the tokens and ids of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from rnnx.data import readers
from rnnx.data.readers import Fault
from rnnx.errors import DataError, UsageError, did_you_mean
from rnnx.models.protocols import Classifier, Integers
from rnnx.text import fields as joining
from rnnx.types import Item, LeftOut, Token

LIMIT = 1000  # texts of a file that are read as references
WORDLESS = "no words in the text"
Text = tuple[str, tuple[Token, ...]]  # a text and its tokens


def tokenize(model: Classifier, item: Item, fields: Sequence[str] = ()) -> Text:
    """A text and its tokens; of a mapping the model's fields, or those that are named. KeyError for a missing one."""
    return joining.tokenize(item, model.tokenize, order(model, fields))


def order(model: Classifier, fields: Sequence[str]) -> tuple[str, ...]:
    """The fields that make a text: those that are named, else the model's, else text."""
    given = (fields,) if isinstance(fields, str) else tuple(fields)
    return given or model.fields or ("text",)


def checked(model: Classifier, texts: Iterable[Item], fields: Sequence[str]) -> Iterator[Text]:
    """Texts and their tokens. Raises at once UsageError for one text in place of several.

    When it reaches one: UsageError for what is no text or lacks a field, DataError for a text without words.
    """
    if isinstance(texts, str | Mapping):
        raise UsageError("texts is one text", "give a list: [text]")
    return (_checked(model, item, i, order(model, fields)) for i, item in enumerate(texts))


def references(model: Classifier, path: str, fields: Sequence[str], fault: Fault) -> list[Integers]:
    """The ids of each text of a file; ``fault`` is told of each that is left out.

    Raises DataError for a file that cannot be read, or has no words in it.
    """
    names, found = order(model, fields), list[Integers]()
    for row in islice(readers.read(Path(path), fault, text=names), LIMIT):
        text, tokens = tokenize(model, row.item, names)
        if tokens:
            found.append(model.collate([tokens], [text]).ids[0])
        else:
            fault(LeftOut(row.where, WORDLESS))
    if not found:
        raise DataError(f"{path}: no words in it", "name a file of texts")
    return found


def _checked(model: Classifier, item: Item, index: int, order: tuple[str, ...]) -> Text:
    for name in order if isinstance(item, Mapping) else ():
        if name not in item:
            hint = did_you_mean(name, sorted(map(str, item))) or "it is empty"
            raise UsageError(f"text {index} has no field {name!r}", hint)
    for value in [item[name] for name in order] if isinstance(item, Mapping) else [item]:
        if not isinstance(value, str):
            raise UsageError(f"text {index} is of type {type(value).__name__}", "texts and fields are strings")
    text, tokens = tokenize(model, item, order)
    if not tokens:
        raise DataError(f"text {index} has no words in it: {text!r}", "give at least one word")
    return text, tokens
