"""``rnnx explain --by`` and ``--check``: explanations looked at again, and what several texts come to together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from rnnx import registry
from rnnx.cli.options import BYS
from rnnx.cli.terminal import Terminal
from rnnx.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from rnnx.models.protocols import Classifier
    from rnnx.types import Explanation

PICTURES = ("text", "plain")  # formats for people


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

    def applied(self, model: Classifier, explanations: Iterator[Explanation], seed: int) -> Iterator[Explanation]:
        """The explanations with it."""
        from rnnx import attending

        if self.check:
            explanations = attending.checked(model, explanations, seed)
        if self.by == "unit":
            return attending.by_unit(model, explanations)
        return explanations if self.by is None else attending.projected(explanations, self.by)

    def together(
        self, explanations: Iterable[Explanation], kind: str, stream: TextIO, terminal: Terminal, looks: tuple[str, str]
    ) -> Iterator[Explanation]:
        """The explanations that are to be written one by one; then it says what several come to together.

        Where that is all that there is to say of them, people get nothing else; beside other formats it is told on
        stderr. ``looks`` are --color and --background.
        """
        people = kind in PICTURES
        if not self.attention:
            yield from explanations
            return
        kept, at_once = [], not people or self.by not in (None, "unit")
        for explanation in explanations:
            kept.append(explanation)
            if at_once:
                yield explanation
        if len(kept) > 1 or kind == "csv":  # which has no room for the figures of a text
            _tell(kept, kind if people else "plain", stream if people else terminal.stderr, terminal, looks)
        elif not at_once:
            yield from kept


def _tell(
    explanations: list[Explanation], kind: str, stream: TextIO, terminal: Terminal, looks: tuple[str, str]
) -> None:
    from rnnx.render import palette, several

    if kind == "text":
        console = terminal.console(looks[0], file=stream)
        several.show(console, explanations, palette.theme(looks[1], terminal.environ))
        return
    for line in several.lines(explanations):
        print(line, file=stream)
