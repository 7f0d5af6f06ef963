"""Where the sentences of a text begin."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rnnx.types import Token

_END = re.compile(r"[.!?\u2026\u3002\uff01\uff1f]+")
_CLOSING = set("\"')]}\u2019\u201d\u00bb\u300d\u300f\uff09")
_SHORT = {"mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs"}  # words whose full stop ends no sentence


def sentences(tokens: Sequence[Token]) -> list[int]:
    """The number of each token's sentence, from 0.

    A sentence goes to its last full stop, question or exclamation mark and the quotes and brackets that close it, or
    to the end of its field.
    """
    found: list[int] = []
    number, ended, before = 0, False, None
    for token in tokens:
        end = _END.fullmatch(token.text) is not None
        new_field = before is not None and token.field != before.field
        if new_field or (ended and not end and token.text not in _CLOSING):
            number, ended = number + 1, False
        found.append(number)
        ended = ended or (end and not (token.text == "." and before is not None and before.text.lower() in _SHORT))
        before = token
    return found
