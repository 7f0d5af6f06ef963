"""``rnnx explain --by`` and ``--check``: what they go with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rnnx import registry
from rnnx.cli.options import BYS
from rnnx.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Again:
    """What was asked for beside scores."""

    by: str | None
    check: bool

    def __post_init__(self) -> None:
        """Raise UsageError for what is no way to divide a text."""
        if self.by is not None and self.by.partition(":")[0] not in BYS:
            listed = ", ".join(BYS)
            raise UsageError(f"--by {self.by!r} is not one of {listed}", did_you_mean(self.by, list(BYS)))

    @property
    def attention(self) -> bool:
        """Whether it is about attention and nothing else."""
        return self.check or self.by == "unit"

    def method(self, asked: dict[str, Any]) -> None:
        """Put the method in that is meant where none is. Raises UsageError for one that is not about attention."""
        if not self.attention:
            return
        if asked.get("view"):
            raise UsageError("--check and --by unit are about scores", "leave out --view")
        name = asked.setdefault("method", "attention" if self.by != "unit" else "attention-grad")
        row = registry.method(name)
        if row.family != "attention":
            names = ", ".join(r.name for r in registry.methods().values() if r.family == "attention")
            flag = "--check" if self.check else "--by unit"
            raise UsageError(f"{flag} is about attention, not about {name}", f"leave out --method, or give {names}")
