"""Word of long work on its way: who computes it tells, and whoever wants to hear of it has said so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[float], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """While it lasts, the listener is told of all work: how many changed texts more were read, or what part of one."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def tell(texts: float) -> None:
    """So many changed texts more were read."""
    listener = _listener.get()
    if listener:
        listener(texts)
