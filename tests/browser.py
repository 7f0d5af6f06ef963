"""A headless Chromium, spoken to through a pipe: JSON with a zero byte at the end, as its DevTools have it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
SAID = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Network.requestWillBeSent")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=1300,900")


def found() -> str | None:
    """The program, if it is here."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab; ``said`` is what the console said, what was thrown, and what was loaded."""

    def __init__(self, reading: int, writing: int) -> None:
        self.stream, self.writing, self.numbers = os.fdopen(reading, "rb"), writing, count(1)
        self.said: list[dict[str, Any]] = []
        self.buffer = b""
        self.session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask for something, and wait for the answer."""
        number = next(self.numbers)
        session = {"sessionId": self.session} if self.session and not method.startswith("SystemInfo") else {}
        os.write(
            self.writing, json.dumps({"id": number, "method": method, "params": params, **session}).encode() + b"\0"
        )
        while (answer := self._read()).get("id") != number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path, *, still: bool = False) -> None:
        """Go to a file, and wait until it is loaded and, unless its scripts are ``still``, drawn."""
        self.call("Page.navigate", url=path.as_uri())
        while self._read().get("method") != "Page.loadEventFired":
            pass
        if not still:
            self.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    def run(self, expression: str) -> Any:
        """The value of JavaScript."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", **asked)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def key(self, name: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def seconds(self) -> float:
        """The CPU time of the processes that draw pages, so far."""
        found = self.call("SystemInfo.getProcessInfo")["processInfo"]
        return float(sum(process["cpuTime"] for process in found if process["type"] == "renderer"))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            if not (more := os.read(self.stream.fileno(), 1 << 20)):
                raise RuntimeError("the browser has gone")
            self.buffer += more
        message, _, self.buffer = self.buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        if found.get("method") in SAID:
            self.said.append(found)
        return found


@contextmanager
def page(program: str) -> Iterator[Page]:
    """A tab of a browser, which ends afterwards."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in (theirs_in, theirs_out)]

    def arrange() -> None:
        os.dup2(high[0], 3)  # where it reads
        os.dup2(high[1], 4)  # and writes

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        argv = [program, *FLAGS, f"--user-data-dir={folder}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(argv, preexec_fn=arrange, pass_fds=(3, 4), **quiet)  # type: ignore[call-overload]
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        tab = Page(ours_in, ours_out)
        try:
            yield tab
        finally:
            tab.session = ""
            os.write(ours_out, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            tab.stream.close()
            os.close(ours_out)
