"""YAML config files: validated as a whole, every fault with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rnnx.errors import ConfigError, did_you_mean
from rnnx.settings import Of

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Section(BaseModel):
    """A part of a config: unknown keys are faults, and a loaded config never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Section):
    """A file of labelled texts, and how many times an epoch passes over it (0.5: a random half)."""

    path: str
    passes: Annotated[float, Field(gt=0)] = 1.0


class Data(Section):
    """Where the texts are. Relative paths start at ``folder``, and that at the current directory."""

    folder: str = "."
    train: Annotated[list[Source], Field(min_length=1)]
    dev: list[str] = []  # files that choose the best epoch
    dev_share: Share = 0.1  # of the training texts, where no dev file is given
    test: list[str] = []  # files on which the finished model is measured once
    text: str = "text"
    label: str = "label"
    labels: Annotated[list[str], Field(min_length=2)] | None = None  # by default those that occur, sorted

    @field_validator("labels")
    @classmethod
    def _each_once(cls, labels: list[str] | None) -> list[str] | None:
        if labels and len(set(labels)) < len(labels):
            raise ValueError("each label may stand there once")
        return labels


class Text(Section):
    """How texts become ids. ``vectors``: a GloVe text file, package:NAME, or a model, for the first embeddings."""

    tokenizer: Literal["words"] = "words"
    lowercase: bool = True
    vocabulary: Positive = 20_000
    min_count: Positive = 2
    vectors: str | None = None
    vector_scale: Annotated[float, Field(gt=0)] = 1.0
    fill: bool = False  # fill the vocabulary up with the vectors' most frequent words


class Model(Section):
    """The network. ``embedding`` is ignored where vectors give the size."""

    kind: Literal["lstm"] = "lstm"
    pooling: Literal["last", "attention"] = "last"
    embedding: Positive = 50
    hidden: Positive = 128
    embedding_dropout: Share = 0.2
    dropout: Share = 0.4


class Training(Section):
    """How it is trained: Adam with a warm-up and a cosine decay, on averaged weights."""

    epochs: Positive = 5
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    batch_tokens: Positive = 6_000
    batch_texts: Positive = 256
    max_tokens: Positive = 300  # longer texts are cropped while training
    word_dropout: Share = 0.1  # share of the words of longer texts that become <unk>
    clip: Annotated[float, Field(gt=0)] = 1.0
    average: Annotated[float, Field(ge=0, lt=1)] = 0.999  # decay of the moving average of the weights
    patience: Positive = 3  # epochs without progress on the dev texts
    threads: Annotated[int, Field(gt=0, le=256)] = 1
    teachers: list[str] = []  # models whose mean opinion is learnt too
    teacher_weight: Annotated[float, Field(ge=0, le=1)] = 0.7  # how much it counts beside the label


class Explain(Section):
    """Defaults of ``rnnx explain --config``."""

    model: str | None = None
    method: str | None = None
    target: str | None = None
    view: str | None = None
    seed: Seed | None = None
    of: Of | None = None
    settings: dict[str, Any] = {}


class Config(Section):
    """A whole file."""

    output: str | None = None
    seed: Seed = 0
    half: bool = False  # store the weights in half precision
    data: Data | None = None
    text: Text = Text()
    model: Model = Model()
    training: Training = Training()
    explain: Explain = Explain()


def parse(name: str, text: str) -> Any:
    """The value of ``--set name=text``, read as YAML. Raises ConfigError."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {name}={text}: not a YAML value", f"quote it: --set '{name}=\"{text}\"'") from None


def load(path: str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read and check a config; ``overrides`` are values by dotted name ("training.epochs") that replace its own.

    Raises ConfigError with a line for every fault.
    """
    overrides = overrides or {}
    data, root = _read(path)
    for name, value in overrides.items():
        _override(data, name.split("."), value)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        faults = [_fault(_where(path, root, fault["loc"], overrides), dict(fault)) for fault in error.errors()]
        raise _report(path, faults) from None


def _read(path: str) -> tuple[dict[str, Any], yaml.Node]:
    """The settings of a file, and its nodes, which know their lines. Raises ConfigError."""
    try:
        text = Path(path).read_text("utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
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
    twice = list(_twice(path, root))
    if twice:
        raise _report(path, twice)
    return data, root


def _twice(path: str, node: yaml.Node) -> Iterator[str]:
    """A line for each key that a mapping has twice: YAML would silently take the last."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                yield f"{path}:{line}: {key.value}: stands there already, in line {lines[key.value]}"
            lines[key.value] = line
            yield from _twice(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _twice(path, value)


def _report(path: str, faults: list[str]) -> ConfigError:
    """One fault by itself, several as a list."""
    hint = "the configs in configs/ show every setting"
    if len(faults) == 1:
        return ConfigError(faults[0], hint)
    return ConfigError("\n".join([f"{path} has {len(faults)} faults", *faults]), hint)


def _override(data: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = data.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {'.'.join(keys)}: {key} has no settings inside")
        data = inner
    data[keys[-1]] = value


def _where(path: str, root: Any, location: Sequence[Any], overrides: Mapping[str, Any]) -> str:
    """The flag or the line of the file that set what stands at this location."""
    for depth in range(len(location), 0, -1):
        name = ".".join(map(str, location[:depth]))
        if name in overrides:
            return f"--set {name}"
    line = _line(root, location)
    return f"{path}:{line}" if line else path


def _fault(where: str, fault: dict[str, Any]) -> str:
    """One line: file and line, field, what is wrong."""
    location = fault["loc"]
    name = ".".join(map(str, location))
    start = where if where.startswith("--set") else f"{where}: {name}"
    if fault["type"] == "extra_forbidden":
        near = did_you_mean(str(location[-1]), _fields(location[:-1]))
        return f"{start}: no such setting; {near}"
    if fault["type"] == "missing":
        return f"{start}: is missing"
    message = _WORDS.get(fault["type"]) or fault["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"{start}: {message[:1].lower()}{message[1:]}, not {fault['input']!r}"


# In place of pydantic's own words, which speak to programmers.
_WORDS = {
    "model_type": "should be a group of settings",
    "dict_type": "should be a group of settings",
    "list_type": "should be a list",
    "too_short": "should have more in it",
    "string_type": "should be a text",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
}


def _line(node: Any, location: Sequence[Any]) -> int | None:
    """The line of the deepest part of this location that the file has."""
    line = None
    for key in location:
        pairs = enumerate(node.value) if isinstance(node, yaml.SequenceNode) else ()
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(key)), None)
        else:
            found = next(((item, item) for i, item in pairs if i == key), None)
        if found is None:
            return line
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _fields(location: Sequence[Any]) -> list[str]:
    """The settings that there are at a location."""
    section: Any = Config
    for key in location:
        if isinstance(key, str):
            annotation = section.model_fields[key].annotation
            inner = [annotation, *getattr(annotation, "__args__", ())]
            section = next(t for t in inner if isinstance(t, type) and issubclass(t, BaseModel))
    return sorted(section.model_fields)
