"""Every row of the table against one contract; then each method against an answer known from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnx
from rnnx import explaining, registry, settings, streaming
from rnnx.errors import DataError, RnnxError, UnknownName, Unsupported
from rnnx.methods.chain import chain
from rnnx.methods.gradients import grad, grad_x_input
from rnnx.models import catalog, checkpoint
from rnnx.models.catalog import Spec
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.engine.network import Network
from rnnx.models.protocols import Array, Batch, Diagnosed, Integers, Spans
from rnnx.models.seeds import generators
from rnnx.types import Attribution, Explanation, LeftOut, Phrases, Trace
from tests.conftest import MODELS, TEXTS, random_model

ROWS = registry.methods()
Case = tuple[str, str | None]  # a method and perhaps a view
CASES: list[Case] = [(name, None) for name in ROWS] + [(view.method, name) for name, view in registry.VIEWS.items()]


# What a case must be given, and texts that it can explain.
GIVEN: dict[str | None, dict[str, Any]] = {"interaction": {"first": "not", "second": "good"}}
APART = ("not good", "good plot , not really", "the plot , really not that good but the film !", "Good NOT good not")


def texts_of(case: Case) -> tuple[str, ...]:
    return APART if case[1] == "interaction" else TEXTS


def needs(case: Case) -> frozenset[str]:
    method, view = case
    return registry.view(view).needs if view else ROWS[method].needs


def provided(spec: catalog.Spec) -> set[str]:
    telescoping = {"telescoping", "cell"} if (spec.kind, spec.pooling) == ("lstm", "last") else set()
    return {"gradients", "recurrence", "decomposition"} | (
        {"attention", "attended"} if spec.provides_attention else telescoping
    )


SERVED = [(name, case) for name, spec in MODELS.items() for case in CASES if needs(case) <= provided(spec)]
REFUSED = [(name, case) for name, spec in MODELS.items() for case in CASES if not needs(case) <= provided(spec)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RecurrentClassifier]:
    folders = {name: random_model(tmp_path_factory.mktemp(name), spec) for name, spec in MODELS.items()}
    return {name: checkpoint.load(str(folder)) for name, folder in folders.items()}


@pytest.mark.parametrize(("name", "case"), REFUSED)
def test_what_a_model_cannot_serve_is_refused(name: str, case: Case, models: dict[str, RecurrentClassifier]) -> None:
    with pytest.raises(Unsupported, match="does not have"):
        rnnx.explain(models[name], TEXTS, case[0], view=case[1])


def numbers(explanation: Explanation) -> Array:
    """The evidence as (columns, tokens or spans)."""
    evidence = explanation.evidence
    if isinstance(evidence, Phrases):
        return np.array([(s.start, s.stop, s.score, s.interaction) for s in evidence.spans]).T
    return np.array([evidence.scores] if isinstance(evidence, Attribution) else list(evidence.columns.values()))


def explained(model: RecurrentClassifier, texts: Any, case: Case, **given: Any) -> list[Explanation]:
    return list(rnnx.explain(model, texts, case[0], view=case[1], **GIVEN.get(case[1], {}), **given))


@pytest.mark.parametrize(
    ("name", "case"), SERVED, ids=lambda value: value if isinstance(value, str) else value[1] or value[0]
)
class TestContract:
    @pytest.fixture
    def model(self, name: str, models: dict[str, RecurrentClassifier]) -> RecurrentClassifier:
        return models[name]

    def test_one_explanation_a_text_in_order_with_offsets(self, model: RecurrentClassifier, case: Case) -> None:
        found = explained(model, texts_of(case), case)
        assert [e.text for e in found] == list(texts_of(case))
        for e in found:
            assert all(e.text[t.start : t.end] == t.text for t in e.tokens)
            if isinstance(e.evidence, Phrases):
                assert all(0 <= s.start < s.stop <= len(e.tokens) for s in e.evidence.spans)
                if case[1] != "interaction":
                    assert [s.start for s in e.evidence.spans[: len(e.tokens)]] == list(range(len(e.tokens)))
            else:
                assert numbers(e).shape[1] == len(e.tokens)
            assert np.isfinite(numbers(e)).all()

    def test_deterministic(self, model: RecurrentClassifier, case: Case) -> None:
        assert explained(model, texts_of(case), case, seed=3) == explained(model, texts_of(case), case, seed=3)

    def test_alone_and_in_a_batch_are_the_same(self, model: RecurrentClassifier, case: Case) -> None:
        for text, together in zip(texts_of(case), explained(model, texts_of(case), case), strict=True):
            (alone,) = explained(model, [text], case)
            np.testing.assert_allclose(numbers(alone), numbers(together), atol=1e-5)

    def test_padding_is_zero(self, model: RecurrentClassifier, case: Case) -> None:
        method, view = case
        row = registry.view(view) if view else ROWS[method]
        function = registry.load(row.function)
        batch = model.encode(texts_of(case))
        rngs = generators(0, "test", {}, batch)
        target = np.zeros(len(batch.ids), int)
        given = GIVEN.get(view, {})
        found = function(model, batch, target, *[rngs][: settings.signature(row.function).random], **given)
        found = found.found if isinstance(found, Diagnosed) else found
        if isinstance(found, Spans):
            assert (found.stop <= batch.lengths[found.text]).all()
            return
        for array in found.values() if isinstance(found, dict) else [found]:
            assert array.shape == batch.ids.shape
            assert not array[~batch.mask].any()

    def test_survives_json(self, model: RecurrentClassifier, case: Case) -> None:
        for e in explained(model, texts_of(case), case):
            assert Explanation.from_dict(json.loads(json.dumps(e.to_dict()))) == e

    def test_every_target(self, model: RecurrentClassifier, case: Case) -> None:
        for label in model.labels:
            assert all(e.target == label for e in explained(model, texts_of(case), case, target=label))

    def test_model_comes_back_untouched(self, model: RecurrentClassifier, case: Case) -> None:
        before = list(fingerprint(model))
        explained(model, texts_of(case), case)
        assert list(fingerprint(model)) == before

    def test_model_comes_back_untouched_after_an_exception(self, model: RecurrentClassifier, case: Case) -> None:
        before, state = list(fingerprint(model)), np.random.get_state()[1].tolist()
        broken = replace(model, network=replace(model.network, w_out=Breaking(model.network.w_out)))
        with pytest.raises(RuntimeError, match="broken on purpose"):
            explained(broken, texts_of(case), case)
        assert list(fingerprint(model)) == before
        assert np.random.get_state()[1].tolist() == state

    def test_unsigned_scores_are_not_negative(self, model: RecurrentClassifier, case: Case) -> None:
        method, view = case
        if not (registry.view(view) if view else ROWS[method]).signed:
            assert all((numbers(e) >= 0).all() for e in explained(model, texts_of(case), case))


class Breaking(np.ndarray):
    """An array that raises in the second product, that is inside the method."""

    def __new__(cls, array: Array) -> Breaking:
        made: Breaking = np.asarray(array).view(cls)
        made.used = 0
        return made

    def __array_finalize__(self, origin: Any) -> None:
        self.used = getattr(origin, "used", 0)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        self.used += 1
        if self.used > 1:
            raise RuntimeError("broken on purpose")
        plain = [np.asarray(i) if isinstance(i, Breaking) else i for i in inputs]
        return getattr(ufunc, method)(*plain, **options)


def fingerprint(model: RecurrentClassifier) -> Iterator[bytes]:
    network = model.network
    for layer in sum(network.levels, ()):
        yield from (array.tobytes() for array in (layer.w, layer.u, layer.w_bias, layer.u_bias))
    yield from (array.tobytes() for array in (network.embedding, network.w_out, network.b_out))
    yield repr((model.labels, model.vocabulary, vars(network.pooling))).encode()


@pytest.mark.parametrize("row", [*ROWS.values(), *registry.VIEWS.values()], ids=lambda row: row.name)
def test_the_docstring_names_the_paper(row: registry.Method | registry.View) -> None:
    doc = settings.signature(row.function).doc
    assert re.search(r"[A-Z]\w+(?: (?:et al\.|& [A-Z]\w+))? (?:19|20)\d\d", doc), doc
    assert doc.splitlines()[0].endswith(".")


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.name)
def test_the_family_is_known(row: registry.Method) -> None:
    assert row.family in registry.FAMILIES


@pytest.mark.parametrize("row", [*ROWS.values(), *registry.VIEWS.values()], ids=lambda row: row.name)
def test_a_row_says_what_its_page_needs(row: registry.Method | registry.View) -> None:
    assert re.search(r"\bforwards?\b|\bnone\b", row.cost)
    assert row.adds_up
    assert len(row.weakness.split()) >= 5
    assert re.fullmatch(r".+ (?:19|20)\d\d", row.paper)
    assert row.paper in " ".join(settings.signature(row.function).doc.split())


@pytest.mark.parametrize("row", [*ROWS.values(), *registry.VIEWS.values()], ids=lambda row: row.name)
def test_every_setting_has_a_meaning(row: registry.Method | registry.View) -> None:
    assert all(setting.meaning for setting in settings.signature(row.function).settings.values())


def test_every_meaning_is_of_a_setting() -> None:
    rows = [*ROWS.values(), *registry.VIEWS.values(), *registry.METRICS.values()]
    assert set(settings.MEANINGS) == {name for row in rows for name in settings.signature(row.function).settings}


# --- answers known by algebra -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Linear:
    """score = sum over t of w . x_t, target 1; its negation for target 0."""

    w: Array
    name = "linear"
    labels = ("negative", "positive")
    provides = frozenset({"gradients"})

    def embed(self, batch: Batch) -> Array:
        return np.where(batch.mask[:, :, None], np.stack([batch.ids, -2 * batch.ids], -1), 0).astype(float)

    def gradient(self, x: Array, batch: Batch, target: Integers, of: str = "logit") -> Array:
        sign = np.where(target == 1, 1, -1)[:, None, None]
        return np.where(batch.mask[:, :, None], sign * self.w, 0.0)


BATCH = Batch(np.array([[3, 1, 2], [4, 0, 0]]), np.array([3, 1]))


@pytest.mark.parametrize(
    ("norm", "expected"), [("l2", 5.0), ("l1", 7.0), ("squared", 25.0), ("max", 4.0), ("sum", -1.0)]
)
def test_norms_of_a_linear_model(norm: Any, expected: float) -> None:
    linear: Any = Linear(np.array([3.0, -4.0]))
    scores = grad(linear, BATCH, np.array([1, 1]), norm=norm)
    np.testing.assert_allclose(scores, [[expected] * 3, [expected, 0, 0]])


def test_gradient_times_input_of_a_linear_model_adds_up() -> None:
    linear: Any = Linear(np.array([3.0, -4.0]))
    scores = grad_x_input(linear, BATCH, np.array([1, 0]))
    np.testing.assert_allclose(scores, [[33, 11, 22], [-44, 0, 0]])  # w . (i, -2i) = 11 i


def test_negative_target_turns_the_sign_of_two_classes(tmp_path: Path) -> None:
    model = checkpoint.load("sentiment-lstm")
    (up,) = rnnx.explain(model, ["a good film"], "grad-x-input", target="positive")
    (down,) = rnnx.explain(model, ["a good film"], "grad-x-input", target="negative")
    np.testing.assert_allclose(numbers(up), -numbers(down), atol=1e-6)


def test_what_is_explained_scales_the_gradient() -> None:
    """dp/dx = p (1 - p) dz/dx and d log p/dx = (1 - p) dz/dx, for the target's logit z."""
    model = checkpoint.load("sentiment-lstm")
    found = {of: next(rnnx.explain(model, ["not a bad film"], "grad", of=of)) for of in ("logit", "prob", "loss")}
    p = found["logit"].prediction.probability
    np.testing.assert_allclose(numbers(found["prob"]), p * (1 - p) * numbers(found["logit"]), rtol=1e-4)
    np.testing.assert_allclose(numbers(found["loss"]), (1 - p) * numbers(found["logit"]), rtol=1e-4)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case[1] not in ("memory",) and ROWS[case[0]].family != "attention"]
)
def test_the_logit_can_be_asked_for_and_is_recorded(case: Case) -> None:
    """What explains nothing else than the logit refuses the rest, and names what does not."""
    model = checkpoint.load("sentiment-lstm")
    asked, default = (explained(model, ["not good"], case, **given) for given in ({"of": "logit"}, {}))
    assert asked == default
    assert asked[0].settings["of"] == "logit"
    row = registry.view(case[1]) if case[1] else ROWS[case[0]]
    if "prob" in settings.signature(row.function).settings["of"].choices:
        assert explained(model, ["not good"], case, of="prob")[0].settings["of"] == "prob"
        return
    with pytest.raises(Unsupported, match=f"{row.name} shares out the target's logit; it cannot explain 'prob'") as e:
        explained(model, ["not good"], case, of="prob")
    named = e.value.hint.partition(": ")[2].split(", ")
    assert named[:3] == ["grad", "grad-x-input", "ig"]
    assert not {"lrp", "cd", "attention"} & set(named)


@pytest.mark.parametrize(
    ("given", "method"),
    [({}, "lrp"), ({"of": "logit"}, "lrp"), ({"of": "prob"}, "ig"), ({"of": "loss", "norm": "l1"}, "grad"),
     ({"steps": "64"}, "ig"), ({"norm": "l1"}, "grad")],
)  # fmt: skip
def test_the_default_method_takes_the_settings(given: dict[str, Any], method: str) -> None:
    (e,) = rnnx.explain(checkpoint.load("sentiment-lstm"), ["not bad"], **given)
    assert e.method == method


def test_chain_shows_the_gradient_of_grad(model: RecurrentClassifier) -> None:
    batch = model.encode(TEXTS)
    target = np.zeros(len(TEXTS), int)
    columns, diagnostics = chain(model, batch, target)
    np.testing.assert_allclose(columns["dy/dx_t"], grad(model, batch, target), atol=1e-6)
    parts = {"dy/dh_t", "dy/dc_t"} if model.states(batch).c is not None else {"dy/dh_t"}
    assert list(columns) == [c for c in registry.view("chain").columns if c != "dy/dc_t" or c in parts]
    whole = np.linalg.norm([columns[name] for name in parts], axis=0)
    np.testing.assert_allclose(diagnostics["reaches_start"], whole[:, 0] / whole.max(1), rtol=1e-5)


def test_a_views_diagnostics_are_in_the_explanation() -> None:
    model = checkpoint.load("sentiment-lstm")
    for e in rnnx.explain(model, ["a good film", "bad"], view="chain"):
        assert 0 <= e.diagnostics["reaches_start"] <= 1


def test_chain_of_the_last_state_starts_whole(tmp_path: Path) -> None:
    """At the last token nothing has been lost, and only h leads on to the output."""
    model = checkpoint.load("sentiment-lstm")
    (e,) = rnnx.explain(model, ["a good film"], view="chain")
    assert isinstance(e.evidence, Trace)
    columns = e.evidence.columns
    assert columns["dy/dh_t"][-1] == pytest.approx(columns["dy/dh_T"][-1])
    assert columns["dy/dc_t"][-1] == 0
    assert columns["dy/dx_t"][-1] <= columns["dy/dh_t"][-1] * columns["dh_t/dx_t"][-1]


# --- refusals -----------------------------------------------------------------------------------------------


def test_attention_is_refused_with_what_would_work() -> None:
    with pytest.raises(Unsupported) as caught:
        rnnx.explain(checkpoint.load("sentiment-lstm"), ["x"], "attention")
    assert "grad, grad-x-input" in caught.value.hint
    assert all(name in caught.value.hint for name in catalog.with_attention())


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"method": "gard"}, UnknownName, "did you mean grad"),
        ({"method": "grad", "nrm": "l1"}, UnknownName, "norm"),
        ({"method": "grad", "target": "postive"}, UnknownName, "positive"),
        ({"method": "grad", "view": "chian"}, UnknownName, "chain"),
        ({"method": "grad-x-input", "view": "chain"}, Unsupported, "--method grad"),
        ({"method": "attention", "of": "prob"}, RnnxError, "no settings"),
        ({"texts": "one string"}, RnnxError, "a list"),
        ({"texts": ["good", 3]}, RnnxError, "strings"),
        ({"texts": ["good", "<br />"]}, RnnxError, "one word"),
    ],
)
def test_wrong_names_are_said_at_once(given: dict[str, Any], error: type[RnnxError], words: str) -> None:
    model = checkpoint.load("sentiment-attention")
    with pytest.raises(error) as caught:
        list(rnnx.explain(model, **{"texts": ["x"], **given}))
    assert words in caught.value.hint


# --- reading once --------------------------------------------------------------------------------------------


def test_a_model_that_remembers_a_batch_says_the_same_of_it(
    model: RecurrentClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, other = model.encode(TEXTS), model.encode(TEXTS[:3])
    target, reading = np.arange(len(TEXTS)) % len(model.labels), model.reading(batch)
    np.testing.assert_allclose(reading.forward(batch), model.forward(batch), atol=1e-5)
    np.testing.assert_allclose(reading.forward(other), model.forward(other), atol=1e-5)
    np.testing.assert_array_equal(reading.embed(batch), model.embed(batch))
    for of in (model, reading):
        x = of.embed(batch)
        moved = x + np.float32(0.1)
        found = of.gradient(x, batch, target), of.relevance(x, batch, target).x, of.gradient(moved, batch, target)
        for mine, plain in zip(
            found,
            (
                model.gradient(x, batch, target),
                model.relevance(x, batch, target).x,
                model.gradient(moved, batch, target),
            ),
            strict=True,
        ):
            np.testing.assert_allclose(mine, plain, atol=1e-5)
    changed = reading.scrambled(len(reading.parts), np.random.default_rng(0))
    np.testing.assert_array_equal(
        changed.forward(batch), model.scrambled(len(model.parts), np.random.default_rng(0)).forward(batch)
    )
    passes = list[int]()
    forward = Network.read
    monkeypatch.setattr(Network, "read", lambda *given, **named: passes.append(1) or forward(*given, **named))
    list(rnnx.explain(model, TEXTS[:1], "grad"))
    assert len(passes) == 1  # for the prediction and the gradient


# --- many texts ---------------------------------------------------------------------------------------------


def test_many_texts_keep_their_order(model: RecurrentClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "BUDGET", 20)
    monkeypatch.setattr(streaming, "WINDOW", 8)
    texts = ["good " * (1 + i * 7 % 11) for i in range(50)]
    assert [e.text for e in rnnx.explain(model, texts, "grad")] == texts
    single = [next(rnnx.predict(model, [text])) for text in texts]
    for one, many in zip(single, rnnx.predict(model, texts), strict=True):
        assert one.probability == pytest.approx(many.probability, abs=1e-6)


def exploding(folder: Path, method: str = "cd") -> RecurrentClassifier:
    """A network in which the parts of a state grow without bound, for other methods than cd the states too."""
    spec = Spec("rnn-relu", "last", ("negative", "positive"))
    return checkpoint.load(str(random_model(folder, spec, scale=4 if method == "cd" else 20)))


LONG = "a good bad film not " * 80


@pytest.mark.parametrize("case", [("cd", None), ("cd", "phrases"), ("cd", "hierarchy"), ("ig", None), ("lrp", None)])
def test_a_text_that_cannot_be_explained_leaves_the_others(case: Case, tmp_path: Path) -> None:
    model = exploding(tmp_path, case[0])
    texts = ["not bad", "a good film", LONG, "a film", "the plot", LONG, "really", LONG]  # in windows of 1, 2, 4
    told: list[LeftOut] = []
    found = explained(model, texts, case, left_out=told.append)
    assert [what.text for what in told] == [2, 5, 7]
    assert {what.where for what in told} == {"text 2", "text 5", "text 7"}
    assert ("loses its digits" if case[0] == "cd" else "too large") in told[0].reason
    assert [e.text for e in found] == [text for text in texts if text != LONG]
    for e in found:
        (alone,) = explained(model, [e.text], case)
        np.testing.assert_allclose(numbers(e), numbers(alone), rtol=1e-4, atol=1e-5)


def test_a_text_that_cannot_be_explained_is_an_error_in_its_turn(tmp_path: Path) -> None:
    stream = rnnx.explain(exploding(tmp_path), ["not bad", "a film", LONG, "fine"], "cd")
    assert [next(stream).text for _ in range(2)] == ["not bad", "a film"]
    with pytest.raises(
        DataError, match="text 2: contextual decomposition loses its digits in a text of 400 tokens"
    ) as caught:
        next(stream)
    assert "lrp" in caught.value.hint


def test_a_text_that_has_no_prediction_leaves_the_others(tmp_path: Path) -> None:
    model = exploding(tmp_path, "none")
    told: list[LeftOut] = []
    found = list(rnnx.predict(model, ["not bad", "a film", LONG, "fine"], left_out=told.append))
    assert found == [next(rnnx.predict(model, [text])) for text in ("not bad", "a film", "fine")]
    assert [(what.text, what.reason) for what in told] == [(2, "the model gives numbers too large to compute with")]
    with pytest.raises(DataError, match="text 0: the model"):
        list(rnnx.predict(model, [LONG]))


def test_texts_are_read_only_as_they_are_asked_for(model: RecurrentClassifier) -> None:
    read: list[int] = []

    def texts() -> Iterator[str]:
        for i in range(10_000):
            read.append(i)
            yield "a good film"

    stream = rnnx.explain(model, texts(), "grad")
    assert not read
    next(stream)
    assert len(read) == 1


def test_no_texts_give_no_explanations(model: RecurrentClassifier) -> None:
    assert list(rnnx.explain(model, [], "grad")) == []


def test_a_path_is_a_model_and_its_explanations_are_json(folder: Path) -> None:
    (e,) = rnnx.explain(rnnx.load(folder), ["good"], seed=np.int64(3))
    assert json.loads(json.dumps(e.to_dict()))["model"] == str(folder)


def test_a_text_without_words_is_an_error(model: RecurrentClassifier) -> None:
    with pytest.raises(RnnxError, match="text 1 has no words"):
        list(rnnx.predict(model, ["good", " <br /> "]))
