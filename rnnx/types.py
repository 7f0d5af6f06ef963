"""The plain, frozen data that travels between the layers. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

SCHEMA = 1  # of Explanation.to_dict; grows when a field changes its meaning


class Token(NamedTuple):
    """A piece of a text: ``text[start:end] == token.text``, always."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Prediction:
    """What the model says: the likeliest label, and the probability and logits of all of them.

    ``logits`` has one number for a two-class model with a sigmoid, one a class otherwise.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    logits: tuple[float, ...]


@dataclass(frozen=True)
class Attribution:
    """One score a token. Signed: positive speaks for the target. Unsigned: how much, not which way."""

    scores: tuple[float, ...]
    signed: bool


@dataclass(frozen=True)
class Trace:
    """Measured quantities along the text: for each named column of a view one number a token."""

    view: str
    columns: Mapping[str, tuple[float, ...]]


Evidence = Attribution | Trace
_KINDS: dict[str, type[Attribution] | type[Trace]] = {"attribution": Attribution, "trace": Trace}


@dataclass(frozen=True)
class Explanation:
    """Why ``model`` said ``prediction`` about ``text``: the evidence of one method for one target label.

    ``diagnostics`` holds what helps to judge the evidence, as plain JSON values.
    """

    text: str
    tokens: tuple[Token, ...]
    prediction: Prediction
    target: str
    method: str
    settings: Mapping[str, Any]
    seed: int
    evidence: Evidence
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ``from_dict`` gives an equal explanation back."""
        kind = next(name for name, cls in _KINDS.items() if isinstance(self.evidence, cls))
        evidence = {"kind": kind, **asdict(self.evidence)}
        return {
            "schema": SCHEMA,
            "model": self.model,
            "text": self.text,
            "tokens": [token._asdict() for token in self.tokens],
            "prediction": asdict(self.prediction),
            "target": self.target,
            "method": self.method,
            "settings": dict(self.settings),
            "seed": self.seed,
            "evidence": evidence,
            "diagnostics": dict(self.diagnostics),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Explanation:
        """The inverse of ``to_dict``, also after a trip through JSON.

        Raises ValueError for another schema, an unknown kind of evidence, or a field that is missing.
        """
        if data.get("schema") != SCHEMA:
            raise ValueError(f"schema {data.get('schema')!r} is not {SCHEMA}")
        try:
            return cls(
                **{name: data[name] for name in _AS_THEY_ARE},
                tokens=tuple(Token(**token) for token in data["tokens"]),
                prediction=Prediction(**{**data["prediction"], "logits": tuple(data["prediction"]["logits"])}),
                evidence=_evidence(data["evidence"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an explanation: {error}") from None


_AS_THEY_ARE = ("model", "text", "target", "method", "settings", "seed", "diagnostics")


def _evidence(data: Mapping[str, Any]) -> Evidence:
    if data["kind"] == "attribution":
        return Attribution(tuple(data["scores"]), data["signed"])
    if data["kind"] == "trace":
        columns = {name: tuple(values) for name, values in data["columns"].items()}
        return Trace(data["view"], columns)
    raise ValueError(f"unknown kind of evidence {data['kind']!r}")
