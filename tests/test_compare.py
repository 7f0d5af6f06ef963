"""Methods and models side by side: what is computed, what it comes to, and how it is shown."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

import rnnx
from rnnx import registry
from rnnx.comparisons import Comparison, Passes, Side
from rnnx.errors import ConfigError, DataError, UnknownName, Unsupported, UsageError
from rnnx.metrics import sides
from rnnx.metrics.limits import limits, normalised_comprehensiveness
from rnnx.models.catalog import Spec
from rnnx.models.counting import Counting
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.render import verdicts
from rnnx.tallying import Tally
from rnnx.types import Attribution, Explanation, Prediction, Token
from tests.conftest import Run, random_model

TEXTS = ["the plot , really not good but the film !", "a good film", "not bad"]
SENTENCE = "The plot is thin, but the acting is superb."


def side(name: str, scores: list[float], signed: bool = True, faithful: float | None = 0.5, **given: Any) -> Side:
    """An explanation of as many one-letter tokens."""
    tokens = given.pop("tokens", tuple(Token("abcdefghij"[i], 2 * i, 2 * i + 1) for i in range(len(scores))))
    text = given.pop("text", " ".join("abcdefghij"[: len(scores)]))
    prediction = Prediction("good", 0.9, {"bad": 0.1, "good": 0.9}, (2.2,))
    e = Explanation(text, tokens, prediction, "good", name, {}, 0, Attribution(tuple(scores), signed), {}, "m")
    return Side(name, e, signed, faithful, 1.0, Passes(1, 1))


def comparison(*given: Side, random: float | None = 0.3, what: Any = "methods") -> Comparison:
    return sides.compared(what, given, {}, random)


class TestNumbers:
    def test_each_side_is_that_of_explain(self, model: RecurrentClassifier) -> None:
        methods = ["lrp", "grad", "expected-grad"]
        for i, found in enumerate(rnnx.compare(model, TEXTS, methods, settings={"expected-grad.samples": 4}, seed=3)):
            assert [s.name for s in found.sides] == methods
            for s, row in zip(found.sides, found.scores, strict=True):
                given = {"samples": 4} if s.name == "expected-grad" else {}
                (alone,) = rnnx.explain(model, [TEXTS[i]], s.name, seed=3, **given)
                scores = np.array(alone.evidence.scores)  # type: ignore[union-attr]
                assert s.explanation.evidence.scores == pytest.approx(scores, abs=1e-5)  # type: ignore[union-attr]
                assert row == pytest.approx(scores / np.abs(scores).max(), abs=1e-4)
                assert s.explanation.settings == alone.settings

    def test_faithfulness_is_the_normalised_comprehensiveness(self, model: RecurrentClassifier) -> None:
        for text, found in zip(TEXTS, rnnx.compare(model, TEXTS, ["lrp", "grad"]), strict=True):
            batch, target = model.encode([text]), np.array([model.labels.index(found.target)])
            room = limits(model, batch, target)
            for s in found.sides:
                scores = np.array([s.explanation.evidence.scores])  # type: ignore[union-attr]
                value = normalised_comprehensiveness(model, batch, target, scores, room)[0]
                assert s.faithful == pytest.approx(value, abs=1e-3)
            assert found.random is not None
            assert -0.01 <= found.random <= 1.01

    def test_random_orders_are_as_faithful_as_chance(self) -> None:
        """Of two tokens one order is the best and one the worst: the mean over random ones is a half."""
        model = rnnx.load("sentiment-lstm")
        drawn = [next(rnnx.compare(model, ["superb film"], ["lrp"], seed=seed)).random for seed in range(12)]
        assert np.mean(drawn) == pytest.approx(0.5, abs=0.12)  # 192 orders: 3 standard errors

    @pytest.mark.parametrize(
        ("method", "passes"),
        [
            ("grad", (1, 1)),
            ("lrp", (1, 1)),
            ("attention", (1, 0)),
            ("attention-norm", (1, 0)),
            ("attention-grad", (2, 0)),
            ("deeplift", (2, 1)),
            ("smoothgrad", (50, 50)),
        ],
    )
    def test_passes_are_those_of_the_method_s_page(self, method: str, passes: tuple[int, int]) -> None:
        (found,) = rnnx.compare(rnnx.load("sentiment-attention"), [SENTENCE], [method])
        assert found.sides[0].passes == passes

    def test_a_changed_text_is_a_pass(self) -> None:
        model = rnnx.load("sentiment-attention")
        (found,) = rnnx.compare(model, [SENTENCE], ["occlusion", "cd", "ig"])
        tokens = len(model.tokenize(SENTENCE))
        assert found.sides[0].passes == (tokens + 1, 0)  # and the text itself
        assert found.sides[1].passes == (4 * (tokens + 1) + 1, 0)  # the text as a whole is split too
        points = found.sides[2].explanation.diagnostics["points"]
        assert found.sides[2].passes.backward == points

    def test_counting_changes_nothing(self, model: RecurrentClassifier) -> None:
        counting = Counting(model)
        batch = counting.encode(TEXTS)
        assert (counting.forward(batch) == model.forward(batch)).all()
        assert counting.passes == [3, 0]
        assert counting.provides == model.provides
        with pytest.raises(AttributeError):
            _ = counting.nonsense

    def test_neither_batch_nor_order_changes_it(self, model: RecurrentClassifier) -> None:
        together = list(rnnx.compare(model, TEXTS, ["ig", "grad"]))
        for text, found in zip(TEXTS, together, strict=True):
            (alone,) = rnnx.compare(model, [text], ["ig", "grad"])
            for one, other in zip(found.scores, alone.scores, strict=True):
                assert one == pytest.approx(other, abs=1e-3)
            assert found.random == pytest.approx(alone.random, abs=1e-3)
            assert [s.faithful for s in found.sides] == pytest.approx([s.faithful for s in alone.sides], abs=1e-3)

    def test_agreement_is_symmetric_and_one_with_itself(self, model: RecurrentClassifier) -> None:
        found = next(rnnx.compare(model, TEXTS, ["lrp", "ig", "grad-x-input", "grad"]))
        for matrix in (found.agreement.spearman, found.agreement.overlap, found.agreement.sign):
            for i, j in combinations(range(4), 2):
                assert matrix[i][j] == matrix[j][i]
            assert all(matrix[i][i] in (None, 1) for i in range(4))
        assert found.agreement.sign[3] == (None,) * 4


class TestSides:
    def test_one_without_a_sign_is_compared_by_sizes(self) -> None:
        found = comparison(side("a", [-3, 2, 1]), side("b", [9, 4, 1], signed=False))
        assert found.agreement.spearman[0][1] == 1
        assert found.agreement.sign[0][1] is None
        assert comparison(side("a", [-3, 2, 1]), side("b", [9, 4, 1])).agreement.spearman[0][1] == -0.5

    def test_opposite_signs_are_the_worst_dispute(self) -> None:
        found = comparison(side("a", [1, 0.2, 0]), side("b", [0.1, 1, -0.2]), side("c", [1, -0.15, 0])).dispute
        assert found is not None
        assert (found.token, found.one, found.other, found.scores) == (1, "b", "c", (1, -0.15))

    def test_what_hardly_differs_is_no_dispute(self) -> None:
        assert comparison(side("a", [1, 0.2]), side("b", [1, 0.4])).dispute is None

    @pytest.mark.parametrize(
        ("one", "other", "random", "believed"),
        [(0.9, 0.5, 0.3, "a"), (0.5, 0.9, 0.3, "b"), (0.9, 0.87, 0.3, None), (0.5, 0.2, 0.47, None),
         (None, 0.9, 0.3, None), (0.9, 0.2, None, None)],
    )  # fmt: skip
    def test_the_more_faithful_is_believed(
        self, one: float | None, other: float | None, random: float | None, believed: str | None
    ) -> None:
        found = comparison(side("a", [1, 0], faithful=one), side("b", [0, 1], faithful=other), random=random)
        assert found.dispute is not None
        if one is not None:
            assert found.dispute.believe == believed
        said = " ".join(verdicts.of_text(found))
        assert ("believe a," in said) == (believed == "a")

    def test_the_best_are_those_within_the_margin(self) -> None:
        faithful = {"a": 0.9, "b": 0.86, "c": 0.8, "d": None}
        assert sides.best(faithful, 0.3) == ("a", "b")
        assert sides.best(faithful, 0.86) == ()
        assert sides.best(faithful, None) == ()
        assert sides.best({"d": None}, 0.3) == ()

    def test_tokens_that_are_cut_otherwise_are_compared_where_both_cut(self) -> None:
        one = tuple(Token(*t) for t in (("do", 0, 2), ("n't", 2, 5), ("go", 6, 8), ("!", 8, 9)))
        other = tuple(Token(*t) for t in (("don", 0, 3), ("'t", 3, 5), ("go", 6, 8)))
        text = "don't go!"
        a = side("a", [1, 2, 3, 4], tokens=one, text=text)
        b = side("b", [-1, 3, 4], tokens=other, text=text)
        found = comparison(a, b, what="models")
        assert [token.text for token in found.tokens] == ["don't", "go", "!"]
        assert found.scores == ((0.75, 0.75, 1.0), (0.5, 1.0, 0.0))
        assert all(text[t.start : t.end] == t.text for t in found.tokens)

    def test_scores_that_are_all_nothing_stay_so(self) -> None:
        found = comparison(side("a", [0, 0]), side("b", [0, 0]))
        assert found.scores == ((0, 0), (0, 0))
        assert found.agreement.spearman[0][1] is None


class TestTally:
    def test_means_and_their_words(self) -> None:
        tally = Tally()
        for value in (0.8, 0.9, 1.0):
            one, other = side("a", [1, 0], faithful=value), side("b", [1, 0.5], faithful=value - 0.4)
            tally.add(comparison(one, other, random=value - 0.5))
        found = tally.overall()
        assert found.texts == 3
        assert [line.faithful.mean for line in found.lines if line.faithful] == pytest.approx([0.9, 0.5])
        assert found.random is not None
        assert found.random.mean == pytest.approx(0.4)
        assert found.best == ("a",)
        assert found.agreement.spearman[0][1] == pytest.approx(1)
        assert " ".join(verdicts.of_all(found)) == "Believe a; chance would reach 0.40."
        json.dumps(found.to_dict(), allow_nan=False)

    def test_what_does_not_differ_reliably_is_said_to_be_so(self) -> None:
        tally = Tally()
        for k in range(20):
            one = side("a", [1, 0], faithful=0.8 + 0.1 * (-1) ** k)
            tally.add(comparison(one, side("b", [1, 0], faithful=0.79), random=0.8))
        assert tally.overall().best == ()
        assert "reliably better than chance" in " ".join(verdicts.of_all(tally.overall()))

    def test_words_that_changed_most(self) -> None:
        tally = Tally()
        for _ in range(2):
            tally.add(comparison(side("m", [1, 0.5, 0]), side("n", [1, -0.5, 0.2]), what="models"))
        assert tally.overall().changed[0] == ("b", -1.0, 2)
        assert tally.overall().same_label == 2


class TestRefusals:
    def test_what_the_model_cannot_serve_is_named_and_the_rest_goes_on(self) -> None:
        (found,) = rnnx.compare(rnnx.load("sentiment-attention"), [SENTENCE], ["lrp", "cell"])
        assert [s.name for s in found.sides] == ["lrp"]
        assert "cell state of an LSTM" in found.refused["cell"]

    def test_nothing_left_is_an_error(self) -> None:
        model = rnnx.load("sentiment-attention")
        with pytest.raises(Unsupported, match="cell state"):
            rnnx.compare(model, [SENTENCE], ["cell", "reat"])
        with pytest.raises(Unsupported, match="cell state"):
            rnnx.compare_models([model, rnnx.load("sentiment-lstm")], [SENTENCE], "cell")

    def test_a_text_that_one_method_cannot_explain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from rnnx import explaining

        real = explaining._explained

        def fails(function: Any, plan: Any, *given: Any) -> Any:
            found = real(function, plan, *given)
            if plan.method.name == "ig":
                raise explaining.Unexplained(dict.fromkeys(range(len(found)), "it is too long"))
            return found

        monkeypatch.setattr(explaining, "_explained", fails)
        model = rnnx.load("sentiment-lstm")
        (found,) = rnnx.compare(model, [SENTENCE], ["ig", "lrp"])
        assert found.refused == {"ig": "it is too long"}
        with pytest.raises(DataError, match="text 0: it is too long"):
            list(rnnx.compare(model, [SENTENCE], ["ig"]))
        told: list[Any] = []
        assert list(rnnx.compare(model, [SENTENCE] * 3, ["ig"], left_out=told.append)) == []
        assert [what.text for what in told] == [0, 1, 2]

    def test_settings(self) -> None:
        model = rnnx.load("sentiment-lstm")
        (found,) = rnnx.compare(model, [SENTENCE], ["ig", "grad", "lrp"], settings={"of": "prob", "grad.of": "logit"})
        assert {s.name: s.explanation.settings["of"] for s in found.sides} == {"ig": "prob", "grad": "logit"}
        assert "shares out the target's logit" in found.refused["lrp"]
        for wrong, error in (({"ig.step": 3}, UnknownName), ({"lime.width": 1}, UnknownName), ({"x": 1}, UnknownName)):
            with pytest.raises(error):
                rnnx.compare(model, [SENTENCE], ["ig"], settings=wrong)
        with pytest.raises(ConfigError, match="ig: steps must be"):
            rnnx.compare(model, [SENTENCE], ["ig"], settings={"ig.steps": "many"})
        with pytest.raises(UsageError, match="texts is one text"):
            rnnx.compare(model, SENTENCE)
        found = rnnx.compare(model, ["a", "b", "c", "..", "  "], ["lrp"])
        with pytest.raises(DataError, match="text 4 has no words"):
            list(found)

    def test_models_of_other_labels(self, tmp_path: Path) -> None:
        other = rnnx.load(random_model(tmp_path, Spec("lstm", "last", ("bad", "good"))))
        with pytest.raises(UsageError, match="different labels: negative, positive and bad, good"):
            rnnx.compare_models([rnnx.load("sentiment-lstm"), other], [SENTENCE])


class TestModels:
    def test_both_explain_what_the_first_predicts(self) -> None:
        models = [rnnx.load(name) for name in ("sentiment-attention", "sentiment-lstm")]
        text = "Never once did it let me down, they said."
        for texts in ([text], [SENTENCE, text, "meh"]):
            for item, found in zip(texts, rnnx.compare_models(models, texts), strict=True):
                (first,) = rnnx.predict(models[0], [item])
                assert {s.explanation.target for s in found.sides} == {first.label}
                assert [s.explanation.model for s in found.sides] == ["sentiment-attention", "sentiment-lstm"]

    def test_a_model_beside_itself_agrees(self) -> None:
        model = rnnx.load("sentiment-lstm")
        (found,) = rnnx.compare_models([model, model], [SENTENCE])
        assert [s.name for s in found.sides] == ["sentiment-lstm (1)", "sentiment-lstm (2)"]
        assert found.agreement.spearman == pytest.approx(np.ones((2, 2)))
        assert found.dispute is None
        assert "No token's score changed." in list(verdicts.of_text(found))

    def test_a_function_is_compared_by_what_changes_its_text(self) -> None:
        def p(texts: list[str]) -> list[float]:
            return [0.9 if "superb" in text else 0.2 if "dull" in text else 0.5 for text in texts]

        model = rnnx.wrap(p, labels=("negative", "positive"))
        together = list(rnnx.compare(model, ["fine", "a superb film with dull music"]))
        assert [s.name for s in together[1].sides] == ["occlusion", "lime", "kernel-shap"]
        assert together[1].best
        (alone,) = rnnx.compare(rnnx.wrap(p, labels=("negative", "positive")), [together[1].text], ["occlusion"])
        assert alone.sides[0].faithful == together[1].sides[0].faithful


class TestCommand:
    @pytest.mark.parametrize("width", [60, 80, 120])
    @pytest.mark.parametrize("argv", [[], ["--methods", "all"], ["--models", "sentiment-attention", "sentiment-lstm"]])
    def test_it_fits_the_terminal(self, run: Run, width: int, argv: list[str]) -> None:
        quick = ["--set", "noise.samples=4", "--set", "permutation.samples=4"] if "all" in argv else []
        result = run("compare", *argv, *quick, SENTENCE, screen=True, environ={"NO_COLOR": "1"}, width=width)
        assert result.code == 0
        plain = re.sub("\x1b\\[[0-9;]*m", "", result.out)
        assert max(cell_len(line) for line in plain.splitlines()) <= width
        assert "Believe" in plain or "say" in plain
        if "all" in argv and width >= 80:  # a line of the matrix is a row of it
            names, after = plain.split("random order")
            matrix = after.split("\n\n")[1].splitlines()
            assert len(matrix) == 1 + len(set(re.findall("(?m)^  ([a-z]) [a-z]", names)))

    def test_colours_and_none(self, run: Run) -> None:
        assert "48;2;" in run("compare", SENTENCE, screen=True, environ={"COLORTERM": "truecolor"}).out
        out = run("compare", SENTENCE).out
        assert "\x1b" not in out
        assert out.startswith("positive ")
        assert "\nname\tfaithful\tmilliseconds\tforward\tbackward\n" in out
        assert "\nverdict: " in out

    def test_json_of_texts_with_the_mean(self, run: Run) -> None:
        data = json.loads(run("compare", "--methods", "lrp,grad", SENTENCE, "meh", "--format", "json").out)
        assert [len(c["sides"]) for c in data["comparisons"]] == [2, 2]
        assert data["overall"]["texts"] == 2
        assert data["comparisons"][1]["random"] is None  # a single token has no order

    def test_jsonl_csv_and_markdown(self, run: Run, tmp_path: Path) -> None:
        table = tmp_path / "reviews.csv"
        table.write_text("text\na superb film\nan awful | film\n")
        lines = run("compare", "--methods", "lrp,grad", str(table), "-f", "jsonl").out.splitlines()
        assert [json.loads(line)["text"] for line in lines] == ["a superb film", "an awful | film"]
        rows = list(csv.DictReader(io.StringIO(run("compare", "--methods", "lrp,grad", str(table), "-f", "csv").out)))
        assert [row["token"] for row in rows][:3] == ["a", "superb", "film"]
        assert max(float(row["lrp"]) for row in rows) == 1
        assert run("compare", str(table), "-o", str(tmp_path / "m.md")).code == 0
        assert (tmp_path / "m.md").read_text().startswith("2 texts.\n\n| name | faithful |")
        one = run("compare", "--methods", "lrp,grad", "an awful | film", "-f", "markdown").out
        assert one.startswith("> an awful \\| film\n")
        cells = {line.replace("\\|", "").count("|") for line in one.splitlines() if line.startswith("|")}
        assert cells == {4, 6}

    def test_several_texts_in_one(self, run: Run) -> None:
        out = run("compare", "--methods", "lrp,cell", SENTENCE, "a dull film").out
        assert out.startswith("texts: 2\n")
        assert "left out: cell: " in out
        assert "chance would reach" in out

    def test_bad_input_is_one_line_and_a_hint(self, run: Run) -> None:
        for argv, said in (
            (["--methods", "lpr"], "unknown method 'lpr'"),
            (["--methods", ""], "no methods"),
            (["--methods", "lrp", "--set", "ig.steps=3"], "unknown method in a setting 'ig'"),
            (["--models", "sentiment-lstm", "nonsense"], "nonsense"),
            (["--models", "sentiment-lstm", "sentiment-attention", "--methods", "all"], "by one method"),
            (["-m", "sentiment-lstm", "--models", "sentiment-lstm", "sentiment-attention"], "do not go together"),
            (["--format", "markdwn"], "--format 'markdwn' is not one of"),
            (["--target", "neutral"], "unknown label 'neutral'"),
        ):
            result = run("compare", *argv, SENTENCE)
            assert result.code == 2, argv
            assert result.err.startswith("error: "), argv
            assert said in result.err, argv
            assert "hint: " in result.err, argv

    def test_models_go_before_the_model_of_the_environment(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RNNX_MODEL", "sentiment-lstm")
        assert run("compare", "--models", "sentiment-lstm", "sentiment-attention", "fine film").code == 0

    def test_text_cannot_steer_the_terminal(self, run: Run) -> None:
        for kind in ("text", "plain", "markdown", "json"):
            out = run("compare", "--methods", "lrp", "good \x1b[31mfilm", "-f", kind, "--color", "never").out
            assert "\x1b" not in out


def test_every_default_is_a_method_and_all_are_all() -> None:
    from rnnx.comparing import DEFAULTS

    assert set(DEFAULTS) <= set(registry.methods())
    model = rnnx.load("sentiment-attention")
    (found,) = rnnx.compare(model, ["good"])
    assert [s.name for s in found.sides] == list(DEFAULTS)
    (other,) = rnnx.compare(rnnx.load("sentiment-lstm"), ["good"])
    assert [s.name for s in other.sides] == [name for name in DEFAULTS if name != "attention"]
