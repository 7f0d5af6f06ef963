"""What a method costs: a model that counts the texts that are read through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rnnx.models.protocols import Classifier, Decomposition

# How many texts each way of asking reads, forward and backward, from its arguments.
_READ: dict[str, Callable[..., tuple[int, int]]] = {
    "forward": lambda batch: (len(batch.ids), 0),
    "logits": lambda x, batch: (len(x), 0),
    "gradient": lambda x, *_: (len(x), len(x)),
    "slopes": lambda x, base, batch, target, at, *_: (at.size, at.size),
    "variants": lambda variants: (len(variants), 0),
    "resume": lambda x, *_: (len(x), 0),
    "steps": lambda x, *_: (len(x), len(x)),
    "skipped": lambda x, *_: (len(x), len(x)),
    "relevance": lambda x, *_: (len(x), len(x)),
    "secants": lambda x, *_: (2 * len(x), len(x)),
    "states": lambda batch, *_: (len(batch.ids), 0),
    "attention": lambda batch: (len(batch.ids), 0),
    "attended": lambda batch: (len(batch.ids), 0),
    "gradient_of_states": lambda x, *_: (len(x), len(x)),
    "readout": lambda batch: (len(batch.ids), 0),
    "decomposition": lambda batch: (len(batch.ids), 0),
}
SPLIT = 4  # forward passes that a forward pass of two parts takes: each of them, and each through the gates of both


class Counting:
    """Meets whatever protocols the model meets. ``forward`` and ``backward`` are how many texts were read.

    An engine may compute what changed texts have in common once; each of them is a pass all the same. It does not
    remember what it has read.
    """

    reading = None

    def __init__(self, model: Classifier) -> None:
        self._model = model
        self.passes = [0, 0]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)
        if name not in _READ:
            return found

        def counted(*given: Any, **named: Any) -> Any:
            answer = found(*given, **named)
            self._count(*_READ[name](*given, *named.values()))
            return self._watched(answer) if isinstance(answer, Decomposition) else answer

        return counted

    def _count(self, forward: int, backward: int = 0) -> None:
        self.passes[0] += forward
        self.passes[1] += backward

    def _watched(self, found: Decomposition) -> Decomposition:
        def share(texts: Any, masks: Any) -> Any:
            self._count(SPLIT * len(texts))
            return found.share(texts, masks)

        return replace(found, share=share)
