"""Explanations for people, one under the other, with a summary at the end: pictures, and plain text."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rnnx.render import plain, tally
from rnnx.render.writers import Record, Writer


class Plain(Writer):
    """Plain text, a blank line between two."""

    between = b"\n"

    def rows(self, records: Sequence[Record]) -> bytes:
        """The texts."""
        return "\n".join("".join(f"{line}\n" for line in plain.lines(r.explanation)) for r in records).encode()

    def tail(self, found: tally.Tally, *, empty: bool) -> bytes:
        """The summary, where it is wanted."""
        if empty or not self.style.summary:
            return b""
        return "".join(f"{line}\n" for line in ("", *tally.lines(found))).encode()


class Pictures(Writer):
    """Pictures for a terminal."""

    between = b"\n"

    def rows(self, records: Sequence[Record]) -> bytes:
        """The pictures, a blank line between two."""
        from rich.console import Console

        from rnnx.render import picture

        pages = []
        for record in records:
            page = io.StringIO()
            picture.show(Console(file=page, **self.style.console), record.explanation, self.style.background)
            pages.append(page.getvalue())
        return "\n".join(pages).encode()

    def tail(self, found: tally.Tally, *, empty: bool) -> bytes:
        """The summary under a rule, where it is wanted."""
        if empty or not self.style.summary:
            return b""
        from rich.console import Console
        from rich.padding import Padding
        from rich.rule import Rule

        page = io.StringIO()
        console = Console(file=page, **self.style.console)
        console.print(Rule(style="bright_black"))
        for line in tally.lines(found):
            console.print(Padding(line, (0, 2)))
        return f"\n{page.getvalue()}".encode()
