"""What a value of a config can be, and how our own checks tell what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError

from rnnx.errors import did_you_mean

SAID = "said"  # the type of a fault that our own words tell
Wrong = tuple[tuple[str | int, ...], str]  # where, and what is wrong


def refuse(faults: Iterable[Wrong]) -> None:
    """Raise these faults, if any, each with its place below the validator's."""
    errors = [InitErrorDetails(type=PydanticCustomError(SAID, words), loc=at, input=None) for at, words in faults]
    if errors:
        raise ValidationError.from_exception_data("config", errors)


def strange(label: str, labels: Sequence[str] | None) -> list[str]:
    """What to say of a label that is none of those given."""
    if not labels or label in labels:
        return []
    return [f"{label!r} is none of data.labels; {did_you_mean(label, list(labels))}"]


def _no_yes(given: Any) -> Any:
    """Python would take yes for 1."""
    if isinstance(given, bool):
        raise PydanticKnownError("float_type")
    return given


NUMBER = BeforeValidator(_no_yes)
MOST = 1_000_000_000  # more than this is a slip, and far below what overflows
Positive = Annotated[int, Field(gt=0, le=MOST), NUMBER]
Size = Annotated[int, Field(gt=0, le=8192), NUMBER]
Share = Annotated[float, Field(ge=0, lt=1), NUMBER]
Factor = Annotated[float, Field(gt=0, le=1e6), NUMBER]
Seed = Annotated[int, Field(ge=0, lt=2**32), NUMBER]
Label = Annotated[str, WithJsonSchema({"type": ["string", "number"]})]


def _listed(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


Fields = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(_listed, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)]),
]


def _folder(given: str) -> str:
    if not given.strip():
        raise PydanticCustomError(SAID, "should name a folder")
    return given


Folder = Annotated[str, AfterValidator(_folder)]


def _weights(given: Any) -> str | None:
    return "by label" if isinstance(given, dict) else given if given == "balanced" else None


Weights = Annotated[
    Annotated[Literal["balanced"], Tag("balanced")] | Annotated[dict[str, Factor], Tag("by label")],
    Discriminator(
        _weights,
        custom_error_type="weights",
        custom_error_message="should be balanced, or a mapping of labels to weights",
    ),
]
