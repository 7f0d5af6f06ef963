"""The terminal as an object: streams, environment and width, all replaceable, so that a test is a call."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Literal, TextIO

from rnnx.render.text import visible

if TYPE_CHECKING:
    from rich.console import Console


@dataclass
class Terminal:
    """Where a command reads and writes. Results go to ``stdout``, everything else to ``stderr``."""

    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    width: int | None = None
    debug: bool = False
    _live: bool = False  # a status line stands on stderr

    @classmethod
    def standard(cls) -> Terminal:
        """The terminal of the process."""
        # Any text can be printed; bytes that are not UTF-8 are kept apart on input, see data.readers.
        stdin = _utf8(sys.stdin, "surrogateescape")
        stdout, stderr = _utf8(sys.stdout, "replace"), _utf8(sys.stderr, "replace")
        return cls(stdin, stdout, stderr, debug=bool(os.environ.get("RNNX_DEBUG")))

    def columns(self) -> int:
        """The width to lay out for: as set, else the terminal's, else 80."""
        return self.width or shutil.get_terminal_size((80, 24)).columns

    def coloured(self, choice: str, stream: TextIO) -> bool:
        """Whether to use styles on a stream: --color, then FORCE_COLOR, then whether it is a terminal.

        NO_COLOR takes the colours away but keeps bold and underline; rich sees to that.
        """
        if choice != "auto":
            return choice == "always"
        if self.environ.get("FORCE_COLOR"):
            return True
        return stream.isatty() and self.environ.get("TERM") != "dumb"

    def console(self, choice: str = "auto", *, file: TextIO | None = None) -> Console:
        """A rich console on a stream, by default stdout."""
        from rich.console import Console

        stream = file or self.stdout
        return Console(file=stream, **self.looks(choice, stream))

    def looks(self, choice: str, stream: TextIO) -> dict[str, Any]:
        """What a rich console needs to know to write for a stream."""
        coloured = self.coloured(choice, stream)
        return {
            "width": self.columns(),
            "force_terminal": coloured,
            "color_system": self._colours() if coloured else None,
            "no_color": bool(self.environ.get("NO_COLOR")) and choice != "always",
            "highlight": False,
            "markup": False,
            "emoji": False,
            "legacy_windows": False,
        }

    def _colours(self) -> Literal["standard", "256", "truecolor"]:
        """How many colours the terminal says it has; one that says nothing is taken for a modern one."""
        term = self.environ.get("TERM", "")
        if self.environ.get("COLORTERM", "") in ("truecolor", "24bit") or not term:
            return "truecolor"
        return "256" if "256" in term else "standard"

    def say(self, line: str) -> None:
        """A line on stderr; what came from a user in it cannot steer the terminal."""
        self.status("")
        print(visible(line), file=self.stderr, flush=True)

    def status(self, line: str) -> None:
        """A line on stderr that the next one replaces; an empty one takes it away. For a terminal only."""
        if line or self._live:
            self.stderr.write(f"\r\x1b[K{line}")
            self.stderr.flush()
        self._live = bool(line)

    def warn(self, line: str) -> None:
        """A warning on stderr."""
        self.say(f"warning: {line}")

    def error(self, message: str, hint: str = "") -> None:
        """The ``error:`` line, its details if it has more lines, and, where there is one, the ``hint:`` line."""
        first, *details = message.split("\n")
        self.say(f"error: {first}")
        for line in details:
            self.say(f"  {line}")
        if hint:
            self.say(f"hint: {hint}")


def _utf8(stream: TextIO | None, errors: str) -> TextIO:
    """The stream in UTF-8; nothing at all in place of one that was closed before we started."""
    if stream is None:
        return open(os.devnull, "r+", encoding="utf-8")
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors=errors)
    return stream
