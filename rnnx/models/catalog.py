"""Where models are, and what their ``model.json`` says. Standard library only: listings and hints read this.

A model is a folder: ``model.json`` (what the network is), ``model.safetensors`` (its weights),
``vocabulary.txt`` (a word a line; the line is its id), and for people ``config.yaml``, ``metrics.json`` and
perhaps a model card ``README.md``.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rnnx.errors import ModelError, did_you_mean

FORMAT = 1
DEFAULT = "sentiment-attention"
AGAIN = "train it again, or copy its folder whole"  # the hint for a damaged model
ATTENTION = ("attention", "dot-attention")  # the poolings that weigh their tokens
SHIPPED = Path(__file__).parent.parent / "pretrained"
FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")  # module:function, of texts to probabilities


@dataclass(frozen=True)
class Spec:
    """What the weights are weights of; their shapes say the rest (sizes, layers, directions, logits).

    ``labels`` are the classes in the order of the probabilities, ``fields`` the text fields that it was trained on,
    where a text was joined of several or is known by another name.
    """

    kind: str
    pooling: str
    labels: tuple[str, ...]
    tokenizer: str = "words"
    lowercase: bool = True
    fields: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def provides_attention(self) -> bool:
        """Whether the network weighs its tokens."""
        return self.pooling in ATTENTION


def names() -> list[str]:
    """The models that ship with rnnx."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/model.json"))


def with_attention() -> list[str]:
    """Those of them that have attention."""
    return [name for name in names() if read_spec(SHIPPED / name).provides_attention]


def is_function(name: str) -> bool:
    """Whether a name means a function in a module, and not the folder of a run."""
    return bool(FUNCTION.fullmatch(name)) and not Path(name).exists()


def fields(name: str) -> tuple[str, ...]:
    """The text fields that a model was trained on, none if it is known by one text. Raises ModelError."""
    return () if is_function(name) else read_spec(folder(name)).fields


def folder(name: str) -> Path:
    """The folder of a shipped model or of a run. Raises ModelError where there is none."""
    if name in names():
        return SHIPPED / name
    path = Path(name)
    try:
        if (path / "model.json").exists():
            return path
        missing = path.is_dir()
    except (OSError, ValueError) as error:
        raise ModelError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if missing:
        raise ModelError(f"{name} holds no model: model.json is missing", "name the folder that rnnx train wrote")
    hint = did_you_mean(name, names())
    raise ModelError(f"no model {name!r}", f"{hint}; or name the folder of a training run")


def files(name: str) -> list[Path]:
    """The files that decide what a model says; of a function, which must have been loaded, only that of its module.

    Raises ModelError.
    """
    if is_function(name):
        source = sys.modules[name.partition(":")[0]].__file__
        return [Path(source)] if source else []
    return [folder(name) / file for file in ("model.json", "model.safetensors", "vocabulary.txt")]


def read_spec(path: Path) -> Spec:
    """The ``model.json`` of a folder. Raises ModelError if it is not one of ours."""
    file = path / "model.json"
    try:
        data = json.loads(file.read_text("utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']}, this rnnx reads {FORMAT}")
        spec = Spec(**{**data, "labels": tuple(data["labels"]), "fields": tuple(data.get("fields", ()))})
        _check(data, spec)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"{file} cannot be read: {error}", AGAIN) from None
    return spec


def _check(data: dict[str, object], spec: Spec) -> None:
    """Raise ValueError for a value of the wrong type, and for labels that are none."""
    if not all(isinstance(getattr(spec, name), str) for name in ("kind", "pooling", "tokenizer")):
        raise ValueError("kind, pooling and tokenizer must be texts")
    if not isinstance(spec.lowercase, bool):
        raise ValueError("lowercase must be true or false")
    fields = data.get("fields", [])
    if not isinstance(fields, list) or not all(isinstance(field, str) for field in fields):
        raise ValueError("fields must be a list of texts")
    distinct = {label for label in spec.labels if isinstance(label, str)}
    if not isinstance(data["labels"], list) or len(distinct) != len(spec.labels) or len(distinct) < 2:
        raise ValueError("labels must be two or more different texts")


def as_json(spec: Spec) -> str:
    """The ``model.json`` that ``read_spec`` reads."""
    return json.dumps(asdict(spec), indent=2, ensure_ascii=False) + "\n"
