"""Texts of several fields, such as a title and a body: joined to one text whose tokens know their field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rnnx.data.readers import joined
from rnnx.types import Item, Token


def tokenize(
    item: Item, tokenizer: Callable[[str], tuple[Token, ...]], order: Sequence[str]
) -> tuple[str, tuple[Token, ...]]:
    """The text of an item, and its tokens with offsets in that text.

    Of an item with fields those of ``order`` are the text, and nothing else: what stands beside them may be the
    label. Several are joined, and tokenised one by one. Raises KeyError for one that is missing.
    """
    if isinstance(item, str):
        return item, tokenizer(item)
    if len(order) == 1:
        return item[order[0]], tokenizer(item[order[0]])
    fields = {name: item[name] for name in order}
    return joined(fields), tuple(_tokens(fields, tokenizer))


def _tokens(fields: dict[str, str], tokenizer: Callable[[str], tuple[Token, ...]]) -> Iterator[Token]:
    at = 0
    for name, text in fields.items():
        if text.strip():  # as in joined
            yield from (Token(t.text, t.start + at, t.end + at, name) for t in tokenizer(text))
            at += len(text) + 1
