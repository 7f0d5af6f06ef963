"""A method's settings are the keyword-only parameters of its function; this reads and checks them.

The signature is read from the source, not by importing it, so that listing a method's settings costs no
numpy. A setting is typed as ``int``, ``float``, ``bool``, ``str``, a ``Literal`` or one of the names below,
with ``| None`` where it may be absent. A method that draws at random has a fourth parameter ``rngs``.
"""

from __future__ import annotations

import ast
import math
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from rnnx import registry
from rnnx.errors import ConfigError, UnknownName, did_you_mean

# Settings that several methods share.
Of = Literal["logit", "prob", "loss"]
Logit = Literal["logit"]  # of what a method explains that can explain nothing else
Norm = Literal["l2", "l1", "squared", "sum", "max"]
Baseline = Literal["zero", "pad", "unk", "mean"]
Removal = Literal["mask", "delete", "pad", "mean", "sample"]
FixedRemoval = Literal["mask", "delete", "pad", "mean"]  # one that draws no words
Count = int  # from 1 to a thousand million, which fits into any integer
Few = int  # from 1 to 16: what it costs doubles with each
Amount = float  # not negative
Texts = Any  # a file of texts: users give its name, which is what an explanation records; the function gets their ids

# What the settings of our own methods and views mean: a name means the same everywhere.
MEANINGS = {
    "baseline": "what stands in for every token: zeros, the padding, an unknown word, or the vocabulary's mean",
    "quadrature": "where the points of the path are; those of Clenshaw and Curtis are kept when more are added",
    "steps": "steps of the path, at most; Clenshaw and Curtis take the largest power of two up to it, 64 for 100",
    "tolerance": "the error to stop at: for a path, what may be missing as a share of the score's difference; for "
    "draws, the standard error as a share of the largest score",
    "removal": "what stands where a token is taken away: the unknown word (mask), nothing (delete), zeros (pad), the "
    "vocabulary's mean (mean), or other words (sample)",
    "unit": "what is taken away together: tokens or whole sentences",
    "window": "how many units are taken away together",
    "mode": "what a token does with others: change places (swap), go there (move), stand in random order",
    "until": "when to stop taking away: when the model says something else (flip), or when nothing is left (end)",
    "most": "how many tokens are taken away, at most",
    "reach": "how many places away a token may go",
    "references": "a file of texts to draw words from; without one, frequent words of the vocabulary more often",
    "samples": "how many draws",
    "scale": "standard deviation of the noise, in units of that of all numbers in the vocabulary's embeddings",
    "noise": "standard deviation of the noise, as a share of the range of the text's embeddings",
    "square": "whether the squares of the gradients are averaged",
    "variant": "beta: from the change of the cell state; gamma: as far as later forget gates keep it",
    "longest": "tokens of a phrase, at most",
    "first": "one of the two phrases: words that stand side by side in the text; both must be given",
    "second": "the other one; where there are several, the two that are nearest to each other count",
    "layer": "whose states: -1 the top layer's, 0 the bottom one's",
    "norm": "how a token's gradient becomes one number: its length, the sum of absolute values, of squares, of all as "
    "they are, or the largest absolute value",
    "of": "what is explained: the target's logit, or where a method can, its probability (prob) or its loss with the "
    "sign turned",
    "exact": "up to so many tokens the scores are exact, from all subsets of them",
    "width": "of the kernel: the distance from which on a text counts for little; 1 is a text of which nothing is left",
    "ridge": "the penalty on the squares of the coefficients",
    "radius": "how far each number of the embeddings may move, at most",
    "draws": "explanations from other random numbers",
    "orders": "random orders of the weights",
    "normalise": "whether the scores of each text are multiplied by the number that fits best",
    "share": "of the largest number, from which on a token counts as heard",
}

Bounds = tuple[int, float]  # the smallest and the largest value
_SHARED: dict[str, Any] = {
    "Of": Of,
    "Logit": Logit,
    "Norm": Norm,
    "Baseline": Baseline,
    "Removal": Removal,
    "FixedRemoval": FixedRemoval,
}
_BOUNDED: dict[str, tuple[str, Bounds]] = {
    "Count": ("int", (1, 10**9)),
    "Few": ("int", (1, 16)),
    "Amount": ("float", (0, math.inf)),
}
_SCALARS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "Texts": str}
RNGS = "rngs"  # the parameter, not a setting, for which a method that draws at random gets a generator a text
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Setting:
    """One keyword-only parameter: its kind ("int", …, "Texts" or "choice"), choices, default, whether None is allowed,
    and what it means, where that is known.

    ``bounds`` are the smallest and the largest value of a number that has them.
    """

    name: str
    kind: str
    default: Any
    choices: tuple[str, ...] = ()
    optional: bool = False
    bounds: Bounds | None = None
    meaning: str = ""

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}
        words["Texts"] = "the name of a file of texts"
        if self.choices:
            return ("one of " if len(self.choices) > 1 else "") + ", ".join(self.choices)
        if self.bounds is None:
            return words[self.kind]
        least, most = self.bounds
        return words[self.kind] + (f" of at least {least}" if most == math.inf else f" from {least} to {most}")


@dataclass(frozen=True)
class Signature:
    """What the source says of a function: its docstring, its settings, and whether it draws at random."""

    doc: str
    settings: Mapping[str, Setting]
    random: bool = False


@cache
def signature(function: str) -> Signature:
    """Read "module:name" from its source, without importing the module.

    Raises PluginError for a function of another package that is not there, or whose settings are none.
    """
    with registry.blamed(function):
        return _signature(function)


def _signature(function: str) -> Signature:
    module, _, name = function.partition(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ImportError(f"no module {module}")
    tree = ast.parse(Path(spec.origin).read_text("utf-8"))
    node = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name), None)
    if node is None:
        raise ImportError(f"no function {name} in {module}")
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    settings = {arg.arg: _setting(arg, default) for arg, default in pairs}
    random = RNGS in [arg.arg for arg in node.args.args]
    if module.startswith("rnnx."):
        settings = {name: replace(s, meaning=MEANINGS.get(name, "")) for name, s in settings.items()}
    return Signature(ast.get_docstring(node) or "", settings, random)


def resolve(owner: str, function: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of ``owner``: the given values, checked and converted, over the defaults.

    Values may be text (``--set steps=64``) or already typed (YAML, a library call). Raises UnknownName for
    a name that is not a setting and ConfigError for a value that does not fit.
    """
    known = signature(function).settings
    for name in given:
        if name not in known:
            raise UnknownName(f"setting of {owner}", name, known) if known else _no_settings(owner, name)
    return {name: _convert(owner, s, given[name]) if name in given else s.default for name, s in known.items()}


def fit(function: str, given: Mapping[str, Any]) -> int:
    """How well a function takes the given settings: how many it has, and of how many it takes the value too."""
    known, score = signature(function).settings, 0
    for name in given.keys() & known.keys():
        with suppress(ValueError):
            score += 1
            _parse(known[name], given[name])
            score += 1
    return score


def _no_settings(owner: str, name: str) -> ConfigError:
    return ConfigError(f"{owner} has no setting {name!r}", f"{owner} takes no settings at all")


def _setting(arg: ast.arg, default: ast.expr | None) -> Setting:
    try:
        if arg.annotation is None or default is None:
            raise KeyError
        kind, choices, optional, bounds = _type(arg.annotation)
        return Setting(arg.arg, kind, ast.literal_eval(default), choices, optional, bounds)
    except (KeyError, ValueError):
        types = "int, float, bool, str, a Literal or a name from rnnx.settings, perhaps with | None"
        raise TypeError(f"the setting {arg.arg} needs a type ({types}) and a literal default") from None


def _type(node: ast.expr) -> tuple[str, tuple[str, ...], bool, Bounds | None]:
    """(kind, choices, may be None, bounds) of an annotation. KeyError or ValueError for what is not a setting's."""
    if isinstance(node, ast.BinOp):  # T | None
        kind, choices, _, bounds = _type(node.left)
        return kind, choices, True, bounds
    if isinstance(node, ast.Subscript):
        if ast.unparse(node.value) != "Literal":
            raise KeyError
        return "choice", tuple(ast.literal_eval(ast.Tuple(_elements(node.slice), ast.Load()))), False, None
    name = ast.unparse(node)
    if name in _BOUNDED:
        kind, bounds = _BOUNDED[name]
        return kind, (), False, bounds
    if name in _SCALARS:
        return name, (), False, None
    return "choice", typing.get_args(_SHARED[name]), False, None


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _convert(owner: str, setting: Setting, value: Any) -> Any:
    try:
        return _parse(setting, value)
    except ValueError:
        hint = did_you_mean(str(value), list(setting.choices))
        message = f"{owner}: {setting.name} must be {setting.expected}, not {value!r}"
        raise ConfigError(message, hint) from None


def _parse(setting: Setting, value: Any) -> Any:
    """The typed value, or ValueError."""
    if setting.optional and (value is None or value == "none"):
        return None
    if setting.choices:
        if value not in setting.choices:
            raise ValueError
        return value
    if setting.kind == "Texts" and isinstance(value, PathLike):
        value = fspath(value)
    elif setting.kind == "bool":
        value = _WORDS.get(value.lower(), value) if isinstance(value, str) else value
    elif isinstance(value, str) or (setting.kind == "float" and type(value) is int):
        value = _SCALARS[setting.kind](value)
    if type(value) is not _SCALARS[setting.kind]:
        raise ValueError
    if setting.bounds is not None:
        least, most = setting.bounds
        if not least <= typing.cast(float, value) <= most or value == math.inf:  # nan is neither
            raise ValueError
    return value
