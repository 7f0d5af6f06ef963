"""Files that are there, and files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def exists(path: Path) -> bool:
    """Whether there is such a file or folder."""
    try:
        return path.exists()
    except PermissionError:
        return True  # opening it will say so
    except (OSError, ValueError):  # a text that can be no file name: too long, or with a NUL
        return False


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file so that a crash, a kill or a full disk leaves the old one, or none, and never half of one.

    Raises OSError, which names the file, after taking away what was begun.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes | str]) -> None:
    """The same for files that make sense only together, the last of which says that the others are there.

    No file of before is touched until all new ones are on the disk; then the last one goes first and comes last.
    """
    begun = {path: path.with_name(f".{path.name}.new") for path in contents}
    try:
        for path, content in contents.items():
            _write(begun[path], content)
    except BaseException as error:
        for file in begun.values():
            file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a full disk does not say
        raise
    *others, last = contents
    if others:
        last.unlink(missing_ok=True)
    for path, file in begun.items():
        file.replace(path)


def _write(path: Path, content: bytes | str) -> None:
    """Write a file, and wait until it is on the disk."""
    with path.open("wb") as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
        stream.flush()
        os.fsync(stream.fileno())
