"""The command line: ``main`` runs a command and turns whatever goes wrong into one line and an exit code.

Exit codes: 0 fine; 1 a check failed, or a bug; 2 usage, config or data; 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from threading import current_thread, main_thread
from typing import Any

from rnnx.cli.terminal import Terminal
from rnnx.errors import RnnxError

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None, terminal: Terminal | None = None) -> int:
    """Run ``rnnx`` with these arguments, on this terminal, and give the exit code back."""
    terminal = terminal or Terminal.standard()
    with _interruptions() as seen:
        try:
            return _run(sys.argv[1:] if argv is None else argv, terminal)
        except KeyboardInterrupt:
            return _interrupted(terminal)
        except Exception as error:
            if terminal.debug:
                import traceback

                traceback.print_exc(file=terminal.stderr)
            return _interrupted(terminal) if seen else _report(error, terminal)


@contextmanager
def _interruptions() -> Iterator[list[int]]:
    """Every Ctrl-C that comes, also one that what it hits (an import, say) makes another error of."""
    seen: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler and current_thread() is main_thread()
    if ours:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield seen
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _warnings(terminal: Terminal) -> Iterator[None]:
    """What is warned of, each once, in a line without the code that it came from."""
    said: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        line = _one_line(str(message))
        if line not in said:
            said.add(line)
            terminal.warn(line)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _run(argv: Sequence[str], terminal: Terminal) -> int:
    from rnnx.cli.app import app

    try:
        with _warnings(terminal), redirect_stdout(terminal.stdout), redirect_stderr(terminal.stderr):
            # help is Typer's to print
            code = app(list(argv), prog_name="rnnx", obj=terminal, standalone_mode=False)
    except SystemExit:  # after completion, or because whoever read our output has gone
        return OK
    if code == INTERRUPTED:
        return _interrupted(terminal)
    return code if isinstance(code, int) else OK


def _interrupted(terminal: Terminal) -> int:
    terminal.say("\ninterrupted")
    return INTERRUPTED


def _report(error: Exception, terminal: Terminal) -> int:
    if isinstance(error, RnnxError):
        terminal.error(error.message, error.hint)
        return BAD_INPUT
    if hasattr(error, "format_message"):  # a usage error of Typer's
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "rnnx"
        message = _one_line(error.format_message())
        dashed = "; a text that begins with - goes behind --" if message.startswith("no such option") else ""
        terminal.error(message, f"{command} --help shows the usage{dashed}")
        return BAD_INPUT
    if isinstance(error, OSError):  # a full disk, a closed stream
        terminal.error(
            f"{error.filename or 'writing failed'}: {error.strerror or error}", "free some space, or write elsewhere"
        )
        return BAD_INPUT
    if isinstance(error, MemoryError):
        terminal.error("the memory of this machine is too small for that", "give shorter texts, or smaller settings")
        return BAD_INPUT
    terminal.error(f"{type(error).__name__}: {_one_line(str(error))}", _bug_hint(terminal))
    return FAILED


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].lower() + text[1:]


def _bug_hint(terminal: Terminal) -> str:
    asked = "" if terminal.debug else "; run it again with --debug for the traceback"
    return f"this is a bug in rnnx, please report it{asked}"
