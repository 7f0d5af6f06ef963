"""From YAML text to values, and back to the line on which each of them stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from rnnx.config.faults import report
from rnnx.errors import ConfigError


@dataclass(frozen=True)
class Document:
    """The settings of a file, and its nodes, which know their lines."""

    path: str
    data: dict[str, Any]
    root: yaml.Node
    values: Mapping[yaml.Node, Any]

    def line(self, location: Sequence[Any]) -> tuple[int | None, int]:
        """The line of the deepest part of this location that the file has, and how deep that is."""
        line, node = None, self.root
        for depth, key in enumerate(location):
            found = self._child(node, key)
            if found is None:
                return line, depth
            line, node = found[0].start_mark.line + 1, found[1]
        return line, len(location)

    def _child(self, node: yaml.Node, key: Any) -> tuple[yaml.Node, yaml.Node] | None:
        if isinstance(node, yaml.MappingNode):
            pairs = reversed(node.value)  # a mapping's own keys come after those that << merges into it
            return next(((k, v) for k, v in pairs if str(self.values[k]) == str(key)), None)
        if isinstance(node, yaml.SequenceNode):
            return next(((item, item) for i, item in enumerate(node.value) if str(i) == str(key)), None)
        return None


class _Loader(yaml.SafeLoader):
    """A value that Python has no room for, such as a 13th month, is a fault with a line like any other."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node in self.recursive_objects:
            raise ConstructorError(None, None, "a part that contains itself", node.start_mark)
        try:
            found = super().construct_object(node, deep)
            str(found if type(found) is int else "")  # fails for a number that is too long to be shown
        except ValueError:
            raise ConstructorError(None, None, "a number or a date that cannot be", node.start_mark) from None
        return found


def value(text: str) -> Any:
    """The value of a YAML text. Raises yaml.YAMLError."""
    return _construct(text)[0]


def read(path: str) -> Document:
    """The settings of a file. Raises ConfigError."""
    try:
        data, root, values = _construct(Path(path).read_text("utf-8"), path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "name a YAML file, such as configs/quickstart.yaml") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not YAML ({error.problem})", "mind indentation, colons and quotes") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({' '.join(str(error).split())})", "save it as UTF-8 text") from None
    if not isinstance(data, dict) or root is None:
        raise ConfigError(
            f"{path}: no settings in it", "a config is a YAML mapping: data, text, model, training, explain"
        )
    return Document(path, data, root, values)


def _construct(text: str, path: str | None = None) -> tuple[Any, yaml.Node | None, Mapping[yaml.Node, Any]]:
    """The value of a text, its node, and the values of all nodes. Keys that stand twice in a file are faults.

    Raises yaml.YAMLError and, for a file, ConfigError.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None, None, {}
        # Before values are made: that merges the keys of << into a mapping, which may well be there already.
        if path and (twice := list(_twice(path, root, set()))):
            raise report(path, twice)
        # Made deep, a value that contains itself is an error; else it would become an endless one.
        return loader.construct_object(root, deep=True), root, loader.constructed_objects
    except RecursionError:
        raise yaml.MarkedYAMLError(problem="too many levels, or a part that contains itself") from None


def _twice(path: str, node: yaml.Node, seen: set[int]) -> Iterator[ConfigError]:
    """A fault for each key that a mapping has twice: YAML would silently take the last."""
    if id(node) in seen:  # what an alias names has been looked at
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, inner in node.value:
            line, name = key.start_mark.line + 1, str(key.value)
            if name in lines:
                yield ConfigError(f"{path}:{line}: {name}: stands there already, in line {lines[name]}")
            lines[name] = line
            yield from _twice(path, inner, seen)
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _twice(path, inner, seen)
