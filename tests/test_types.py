"""Explanations are data that survives a trip through JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest

from rnnx.types import Attribution, Evidence, Explanation, Phrase, Phrases, Prediction, Token, Trace


def explanation(evidence: Evidence) -> Explanation:
    return Explanation(
        text='a "film"\n\u7535',
        tokens=(Token("a", 0, 1), Token("film", 3, 7), Token("\u7535", 9, 10)),
        prediction=Prediction("good", 0.75, {"bad": 0.25, "good": 0.75}, (1.1,)),
        target="bad",
        method="grad",
        settings={"norm": "l2", "steps": 3, "limit": None},
        seed=7,
        evidence=evidence,
        diagnostics={"unknown_tokens": [1], "residual": 1e-7},
        model="a model",
    )


EVIDENCE = [
    Attribution((0.1, -2.5, 1e-30), signed=True),
    Trace("chain", {"dy/dx_t": (1.0, 2.0, 3.0)}),
    Phrases("phrases", (Phrase(0, 1, 0.5, 0.0), Phrase(0, 2, -1.5, -2.0))),
    Phrases("hierarchy", ()),
]


@pytest.mark.parametrize("evidence", EVIDENCE, ids=["attribution", "trace", "phrases", "none"])
def test_round_trip(evidence: Evidence) -> None:
    before = explanation(evidence)
    data = json.loads(json.dumps(before.to_dict()))
    assert Explanation.from_dict(data) == before
    assert data["schema"] == 1


def test_the_field_of_a_token_is_written_only_where_there_is_one() -> None:
    tokens = (Token("a", 0, 1, "title"), Token("film", 3, 7, "body"), Token("\u7535", 9, 10, "body"))
    before = dataclasses.replace(explanation(EVIDENCE[0]), tokens=tokens)
    data = json.loads(json.dumps(before.to_dict()))
    assert Explanation.from_dict(data) == before
    assert data["tokens"][0] == {"text": "a", "start": 0, "end": 1, "field": "title"}
    assert explanation(EVIDENCE[0]).to_dict()["tokens"][0] == {"text": "a", "start": 0, "end": 1}


def test_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        explanation(EVIDENCE[0]).text = "other"  # type: ignore[misc]


@pytest.mark.parametrize(("path", "value"), [(["schema"], 99), (["evidence", "kind"], "dream")])
def test_what_it_does_not_know_is_refused(path: list[str], value: object) -> None:
    data = explanation(EVIDENCE[0]).to_dict()
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match=str(value)):
        Explanation.from_dict(data)


@pytest.mark.parametrize("name", ["text", "tokens", "prediction", "evidence", "settings"])
def test_what_lacks_a_field_is_refused(name: str) -> None:
    data = explanation(EVIDENCE[0]).to_dict()
    del data[name]
    with pytest.raises(ValueError, match=name):
        Explanation.from_dict(data)
