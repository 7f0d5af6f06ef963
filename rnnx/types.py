"""The plain, frozen data that travels between the layers. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

Item = str | Mapping[str, str]  # what is classified: a text, or its fields by name
SCHEMA = 1  # of Explanation.to_dict; grows when a field changes its meaning


class Token(NamedTuple):
    """A piece of a text: ``text[start:end] == token.text``, always. ``field`` is empty for a text without fields."""

    text: str
    start: int
    end: int
    field: str = ""


class LeftOut(NamedTuple):
    """What could not be used: where it stands ("file:line"), why, the particulars, and how many rows it is.

    ``text`` is its number, from 0, where it is one of the texts to explain; ``hint`` says what to do about it.
    """

    where: str
    reason: str
    detail: str = ""
    rows: int = 1
    text: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.where}: {self.reason}" + (f"; {self.detail}" if self.detail else "")


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


@dataclass(frozen=True)
class Phrase:
    """The tokens from ``start`` to before ``stop`` as one.

    ``score`` is signed: positive speaks for the target. ``interaction`` is what of it is not in the scores of its
    parts; 0 for a single token, which has none.
    """

    start: int
    stop: int
    score: float
    interaction: float


@dataclass(frozen=True)
class Phrases:
    """What runs of neighbouring tokens say as a whole, as a view has chosen them.

    ``phrases``: all up to a length; the parts of one are its tokens. ``hierarchy``: the tokens, then what is joined of
    them, up to the whole text; the parts of a phrase are the last before it in ``spans`` that fill it.
    ``interaction``: the two that were asked for; the interaction of each is what it says with the other beyond both.
    """

    view: str
    spans: tuple[Phrase, ...]


@dataclass(frozen=True)
class Region:
    """The characters from ``start`` to before ``end`` of a text, and what of the tokens' scores falls to them."""

    name: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Regions:
    """The scores of an attribution, added up over regions of the text; ``scores`` are those of the tokens."""

    by: str
    regions: tuple[Region, ...]
    scores: tuple[float, ...]
    signed: bool


@dataclass(frozen=True)
class Units:
    """What the output layer reads, the attended sum of the states, unit by unit.

    ``values`` of each unit; ``shares``, what it gives to the target's logit: they add up to it, without the output
    layer's bias; ``tokens``, the place of the token whose weighed state gives most to the value, by size.
    """

    values: tuple[float, ...]
    shares: tuple[float, ...]
    tokens: tuple[int, ...]


Evidence = Attribution | Phrases | Trace | Regions | Units
_KINDS: dict[str, type[Evidence]] = {
    "attribution": Attribution,
    "phrases": Phrases,
    "trace": Trace,
    "regions": Regions,
    "units": Units,
}


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
            "tokens": [plain_token(token) for token in self.tokens],
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


def plain_token(token: Token) -> dict[str, Any]:
    """A token as JSON has it, its field only where it has one."""
    data = token._asdict()
    if not token.field:
        del data["field"]
    return data


_AS_THEY_ARE = ("model", "text", "target", "method", "settings", "seed", "diagnostics")


def _evidence(data: Mapping[str, Any]) -> Evidence:
    if data["kind"] == "attribution":
        return Attribution(tuple(data["scores"]), data["signed"])
    if data["kind"] == "trace":
        columns = {name: tuple(values) for name, values in data["columns"].items()}
        return Trace(data["view"], columns)
    if data["kind"] == "phrases":
        return Phrases(data["view"], tuple(Phrase(**span) for span in data["spans"]))
    if data["kind"] == "regions":
        regions = tuple(Region(**region) for region in data["regions"])
        return Regions(data["by"], regions, tuple(data["scores"]), data["signed"])
    if data["kind"] == "units":
        return Units(tuple(data["values"]), tuple(data["shares"]), tuple(data["tokens"]))
    raise ValueError(f"unknown kind of evidence {data['kind']!r}")


@dataclass(frozen=True)
class Counts:
    """What there is in one part of a corpus: texts, texts a label, and lengths in tokens."""

    texts: int
    labels: Mapping[str, int]
    median: int
    long: int  # 95 % of the texts are no longer
    longest: int


@dataclass(frozen=True)
class Summary:
    """What should be known about labelled texts before a model learns from them.

    ``parts`` are train, dev and, if there is one, test. Two texts are the same if they differ in white space and
    case only: ``repeated`` counts the texts of a part that stand in it before, ``contradictory`` the different
    texts that the part has under several labels, ``in_train`` the texts of dev and test that are in train too.
    ``left_out`` counts rows by the reason why they are in no part.
    """

    parts: Mapping[str, Counts]
    repeated: Mapping[str, int]
    contradictory: Mapping[str, int]
    in_train: Mapping[str, int]
    left_out: Mapping[str, int]


class Score(NamedTuple):
    """A mean over ``texts`` texts, from ``low`` to ``high`` with 95 % confidence.

    All three are nan where there is no text, and the last two where there are fewer than five.
    """

    mean: float
    low: float
    high: float
    texts: int


class Standing(NamedTuple):
    """Where a method stands: the mean of each metric, its rank among the methods (1 the best), and what it costs.

    ``gains`` are the means of what it has more than a random order of the tokens of the same text. ``explained`` is of
    how many texts, in ``milliseconds`` each.
    """

    method: str
    scores: Mapping[str, Score]
    gains: Mapping[str, Score]
    ranks: Mapping[str, int]
    milliseconds: float
    explained: int
