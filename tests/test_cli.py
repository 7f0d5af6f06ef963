"""The command line as its users meet it."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from safetensors.numpy import save_file

import rnnx
from rnnx import cli, registry
from rnnx.errors import DataError, UsageError
from rnnx.models import checkpoint
from rnnx.models.catalog import Spec
from rnnx.render import predictions
from rnnx.types import Explanation, Prediction
from tests.conftest import Run, random_model

REVIEWS = "a masterpiece\nboring, and far too long\n"


class TestExplain:
    @pytest.mark.parametrize("method", registry.methods())
    def test_every_method_prints_a_picture_and_a_line(self, run: Run, method: str) -> None:
        for screen in (True, False):
            model = "sentiment-lstm" if "telescoping" in registry.method(method).needs else "sentiment-attention"
            argv = ("explain", "--method", method, "--model", model, "I expected to hate it but loved it")
            result = run(*argv, screen=screen)
            assert (result.code, result.err) == (0, "")
            assert method in result.out
            assert ("\x1b[" in result.out) is screen

    def test_the_method_is_lrp_unless_asked(self, run: Run) -> None:
        assert "method: lrp \u00b7 of=logit\n" in run("explain", "fine").out
        assert "method: lrp \u00b7 of=logit\n" in run("explain", "fine", "--of", "logit").out
        assert "of=prob\n" in run("explain", "fine", "--of", "prob").out.partition("method: ig · ")[2]
        assert "method: grad · norm=l1 · of=logit\n" in run("explain", "fine", "--set", "norm=l1").out

    def test_settings_and_of(self, run: Run) -> None:
        out = run("explain", "--set", "norm=l1", "--of", "prob", "fine").out
        assert "method: grad · norm=l1 · of=prob" in out

    def test_another_model_and_target(self, run: Run) -> None:
        out = run("explain", "-m", "sentiment-lstm", "--target", "negative", "a masterpiece").out
        assert "positive" in out
        assert "(sentiment-lstm)" in out
        assert "explained is negative" in out

    def test_phrases(self, run: Run) -> None:
        out = run("explain", "--phrases", "--set", "longest=2", "not bad at all").out
        assert out == run("explain", "--view", "phrases", "--set", "longest=2", "not bad at all").out
        assert "together: not bad" in out
        assert "view phrases \u00b7 longest=2" in out
        result = run("explain", "--phrases", "--view", "chain", "x")
        assert result.code == 2
        assert "--phrases is --view phrases" in result.err

    def test_hierarchy(self, run: Run) -> None:
        argv = "explain", "--model", "sentiment-lstm", "--view", "hierarchy", "not good"
        assert [line.split("\t")[2] for line in run(*argv).out.splitlines()[1:5]] == [
            "phrase", "not good", "  not", "  good"
        ]  # fmt: skip
        (spans,) = (json.loads(line)["evidence"]["spans"] for line in run(*argv, "--format", "jsonl").out.splitlines())
        assert [(s["start"], s["stop"]) for s in spans] == [(0, 1), (1, 2), (0, 2)]
        table = run(*argv, "--format", "csv").out.splitlines()
        assert table[0].startswith("row,position,tokens,phrase,start,end,field,score,interaction,")
        assert len(table) == 4

    def test_an_interaction(self, run: Run, tmp_path: Path) -> None:
        argv = "explain", "-m", "sentiment-lstm", "--view", "interaction", "--set", "first=not"
        argv += "--set", "second=really good"
        out = run(*argv, "It is not really good, I say.").out
        shown = dict(line.split(": ", 1) for line in out.splitlines()[2:])
        assert (shown["first"].split()[0], shown["second"].split()[:2]) == ("not", ["really", "good"])
        number = float(shown["interaction"].replace("\u2212", "-"))
        assert number > 1
        assert "view interaction \u00b7 first=not \u00b7 second=really good" in shown["method"]
        assert "together" in run(*argv, "It is not really good, I say.", screen=True, width=30).out
        rows = list(csv.DictReader(io.StringIO(run(*argv, "It is not really good, I say.", "-f", "csv").out)))
        assert [row["phrase"] for row in rows] == ["not", "really good"]
        assert [round(float(row["interaction"]), 2) for row in rows] == [number, number]
        source = tmp_path / "in.txt"
        source.write_text("fine\nNot really good\nreally good\n")
        result = run(*argv, str(source), "-f", "jsonl")
        assert [json.loads(line)["text"] for line in result.out.splitlines()] == ["Not really good"]
        assert f"warning: {source}:1: the text has no 'not' and no 'really good'; left out" in result.err
        assert f"warning: {source}:3: the text has no 'not'; left out" in result.err

    def test_chain(self, run: Run) -> None:
        out = run("explain", "--view", "chain", "a dull film").out
        assert out.splitlines()[1].split("\t") == ["token", *registry.view("chain").columns]
        assert len([line for line in out.splitlines() if line.count("\t") == 5]) == 4

    @pytest.mark.parametrize("argv", [["-"], []])
    def test_standard_input_is_a_text_a_line(self, run: Run, argv: list[str]) -> None:
        result = run("explain", "-f", "jsonl", *argv, stdin=REVIEWS)
        found = [Explanation.from_dict(json.loads(line)) for line in result.out.splitlines()]
        assert [e.text for e in found] == REVIEWS.splitlines()
        assert [e.prediction.label for e in found] == ["positive", "negative"]

    def test_json_and_csv(self, run: Run) -> None:
        assert len(json.loads(run("explain", "-f", "json", "-", stdin=REVIEWS).out)) == 2
        rows = list(csv.DictReader(io.StringIO(run("explain", "-f", "csv", "-", stdin=REVIEWS).out)))
        assert [row["token"] for row in rows] == ["a", "masterpiece", "boring", ",", "and", "far", "too", "long"]

    def test_a_file_and_the_output_by_suffix(self, run: Run, tmp_path: Path) -> None:
        source, target = tmp_path / "in.csv", tmp_path / "out.jsonl"
        source.write_text("id,text\n1,a masterpiece\n2,boring\n")
        result = run("explain", str(source), "-o", str(target))
        assert (result.out, result.code) == ("", 0)
        assert f"wrote {target}" in result.err
        assert len(target.read_text().splitlines()) == 2

    def test_an_existing_output_is_not_touched(self, run: Run, tmp_path: Path) -> None:
        target = tmp_path / "out.csv"
        target.write_text("precious")
        result = run("explain", "fine", "-o", str(target))
        assert (result.code, target.read_text()) == (2, "precious")
        assert "--force" in result.err
        assert run("explain", "fine", "-o", str(target), "--force").code == 0
        assert "precious" not in target.read_text()

    def test_what_was_there_stays_until_the_new_is_whole(self, run: Run, tmp_path: Path) -> None:
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        source.write_text("text\nfine\n")
        target.write_text("precious")
        damaged = tmp_path / "bad.csv.gz"
        damaged.write_bytes(b"no gzip")
        result = run("predict", str(source), str(damaged), "-o", str(target), "--force")
        assert (result.code, target.read_text()) == (2, "precious")
        assert f"what was done so far is in {target}.part" in result.err
        assert run("predict", str(source), "-o", str(source), "--force").code == 0  # its own input
        assert source.read_text().splitlines()[0] == "text,label,probability,given"

    def test_a_dash_is_the_standard_output(self, run: Run) -> None:
        assert run("predict", "a masterpiece", "-o", "-").out.startswith("positive\t")

    def test_a_full_disk_is_no_bug(self, run: Run) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("no /dev/full here")
        result = run("predict", "x", "-o", "/dev/full", "-f", "csv")
        assert result.code == 2
        assert "No space left" in result.err

    def test_several_single_words_get_a_hint_about_quotes(self, run: Run) -> None:
        assert "quotes make one text of them" in run("explain", "not", "bad").err
        assert run("explain", "not bad", "meh").err == ""

    def test_a_mistake_leaves_no_output_behind(self, run: Run, tmp_path: Path) -> None:
        target = tmp_path / "out.csv"
        assert run("explain", "fine", "--method", "gard", "-o", str(target)).code == 2
        assert run("explain", "fine", "--target", "neutral", "-o", str(target)).code == 2
        assert not target.exists()

    def test_bad_rows_are_left_out_and_said(self, run: Run, tmp_path: Path) -> None:
        source = tmp_path / "in.jsonl"
        source.write_text('{"text": "fine"}\nnonsense\n{"text": "<br />"}\n{"text": "bad"}\n' + "{}\n" * 9)
        result = run("explain", "-f", "jsonl", str(source))
        assert result.code == 0
        assert len(result.out.splitlines()) == 2
        assert f"warning: {source}:2: not JSON" in result.err
        assert f"warning: {source}:3: no words in the text; left out" in result.err
        assert "11 rows left out in all" in result.err

    def test_a_row_that_cannot_be_explained_is_left_out_and_said(self, run: Run, tmp_path: Path) -> None:
        folder = random_model(tmp_path, Spec("rnn-relu", "last", ("negative", "positive")), scale=4)
        long = "a good bad film not " * 80
        texts = ["not bad", "a good film", long, "<br />", "a film", "really " + long, "really"]
        source = tmp_path / "in.jsonl"
        source.write_text("".join(json.dumps({"text": text, "label": "positive"}) + "\n" for text in texts))
        argv = "-m", str(folder), "-f", "jsonl"
        result = run("explain", *argv, "--method", "cd", str(source), "really good")
        assert result.code == 0
        assert [json.loads(line)["text"] for line in result.out.splitlines()] == [
            "not bad", "a good film", "a film", "really", "really good"
        ]  # fmt: skip
        what = "contextual decomposition loses its digits in a text of"
        assert f"warning: {source}:3: {what} 400 tokens; left out" in result.err
        assert f"warning: {source}:4: no words in the text; left out" in result.err
        assert f"warning: {source}:6: {what} 401 tokens" in result.err
        result = run("explain", *argv, "--method", "cd", long)
        assert result.code == 2
        assert result.err.startswith(f"error: {what} 400 tokens\nhint: explain shorter texts")
        random_model(folder, Spec("rnn-relu", "last", ("negative", "positive")), scale=20)
        result = run("predict", *argv, str(source))
        assert (result.code, len(result.out.splitlines())) == (0, 4)
        assert f"warning: {source}:3: the model gives numbers too large" in result.err
        assert " of 4 agree with the field 'label'" in result.err

    def test_bad_rows_of_references_are_said(self, run: Run, tmp_path: Path) -> None:
        source, other = tmp_path / "in.csv", tmp_path / "references.csv"
        source.write_text("review\nfine\n<br />\n")
        other.write_text("review\na good film\n\n<br />\nbad\n")
        argv = "--method", "expected-grad", "--set", f"references={other}", "--set", "samples=2"
        result = run("explain", *argv, "--text-field", "review", str(source), "-f", "jsonl")
        assert result.code == 0
        assert json.loads(result.out)["settings"]["references"] == str(other)
        assert [line for line in result.err.splitlines() if line] == [
            f"warning: {name}: no words in the text; left out" for name in (f"{other}:4", f"{source}:3")
        ]
        result = run("explain", "--method", "expected-grad", "--set", f"references={tmp_path / 'none.csv'}", "fine")
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"error: {tmp_path / 'none.csv'}: ")

    def test_config_gives_defaults_and_flags_win(self, run: Run, tmp_path: Path) -> None:
        config = tmp_path / "c.yaml"
        config.write_text("explain: {method: grad, model: sentiment-lstm, target: negative, settings: {norm: max}}")
        out = run("explain", "-c", str(config), "fine").out
        assert "norm=max" in out
        assert "(sentiment-lstm)" in out
        out = run("explain", "-c", str(config), "--set", "norm=l1", "-m", "sentiment-attention", "fine").out
        assert "norm=l1" in out
        assert "(sentiment-attention)" in out
        config.write_text("explain: {of: prob}")
        assert "of=prob" in run("explain", "-c", str(config), "fine").out
        assert "of=loss" in run("explain", "-c", str(config), "--of", "loss", "fine").out
        config.write_text("explain: {method: grad, settings: {norm: max}}")
        out = run("explain", "-c", str(config), "--method", "attention", "-m", "sentiment-attention", "fine").out
        assert "method: attention" in out  # whose settings those of grad are not

    def test_the_model_may_come_from_the_environment(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RNNX_MODEL", "sentiment-lstm")
        assert "(sentiment-lstm)" in run("explain", "fine").out
        assert "(sentiment-attention)" in run("explain", "-m", "sentiment-attention", "fine").out

    def test_a_run_folder_is_a_model(self, run: Run, folder: Path) -> None:
        assert str(folder) in run("explain", "-m", str(folder), "good film").out


class TestFields:
    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        path = tmp_path / "in.csv"
        path.write_text("body,title,label\nboring,A masterpiece,positive\n")
        return path

    def test_several_are_joined_in_the_order_asked_for(self, run: Run, table: Path) -> None:
        result = run("explain", str(table), "--text-field", "title", "--text-field", "body", "-f", "jsonl")
        e = Explanation.from_dict(json.loads(result.out))
        assert e.text == "A masterpiece\nboring"
        assert [(t.text, t.field) for t in e.tokens] == [("A", "title"), ("masterpiece", "title"), ("boring", "body")]
        picture = run("explain", str(table), "--text-field", "title", "--text-field", "body", screen=True).out
        assert "title: " in picture
        assert "body: " in picture
        plain = run("predict", str(table), "--text-field", "title", "--text-field", "body")
        assert plain.out.endswith("A masterpiece boring\n")

    def test_a_model_knows_its_fields(self, run: Run, table: Path, folder: Path, tmp_path: Path) -> None:
        for file in folder.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        spec = json.loads((folder / "model.json").read_text())
        (tmp_path / "model.json").write_text(json.dumps({**spec, "fields": ["title", "body"]}))
        result = run("explain", "-m", str(tmp_path), str(table), "A plain text", "-f", "jsonl")
        first, second = (Explanation.from_dict(json.loads(line)) for line in result.out.splitlines())
        assert first.text == "A masterpiece\nboring"
        assert [t.field for t in second.tokens] == ["", "", ""]
        for asked, text in (("body", "boring"), ("body title", first.text), ("body label", "boring\npositive")):
            flags = [part for name in asked.split() for part in ("--text-field", name)]
            one = run("explain", "-m", str(tmp_path), str(table), *flags, "-f", "jsonl")
            assert json.loads(one.out)["text"] == text
        item = {"body": "boring", "title": "A masterpiece", "label": "positive"}
        assert next(rnnx.explain(rnnx.load(tmp_path), [item], trust="fast")) == dataclasses.replace(
            first, model=str(tmp_path)
        )

    def test_without_a_field_the_columns_are_listed(self, run: Run, table: Path) -> None:
        table.write_text(table.read_text().replace("body", "what"))
        result = run("explain", str(table))
        assert result.code == 2
        assert "no column 'text'" in result.err
        assert "choose from what, title, label" in result.err

    def test_what_is_no_text_is_an_error(self) -> None:
        model = rnnx.load("sentiment-lstm")
        for item in (3, {"text": 3}):
            with pytest.raises(UsageError, match="text 0 is of type int"):
                list(rnnx.predict(model, [item]))  # type: ignore[list-item]
        with pytest.raises(UsageError, match="texts is one text"):
            rnnx.predict(model, {"title": "x"})
        with pytest.raises(DataError, match="no words"):
            list(rnnx.predict(model, [{"text": " "}]))
        with pytest.raises(DataError, match="no words"):
            list(rnnx.predict(model, [{"title": " ", "body": ""}], fields=("title", "body")))

    def test_a_label_beside_the_text_is_never_read(self) -> None:
        model = rnnx.load("sentiment-lstm")
        (alone,) = rnnx.predict(model, ["ok"])
        for label in ("positive", "negative"):
            assert list(rnnx.predict(model, [{"label": label, "text": "ok", "id": 7}])) == [alone]  # type: ignore[dict-item]
        (explained,) = rnnx.explain(model, [{"text": "ok", "label": "positive"}])
        assert (explained.text, [token.text for token in explained.tokens]) == ("ok", ["ok"])

    @pytest.mark.parametrize(
        ("item", "fields", "error", "hint"),
        [
            ({"review": "ok", "label": "x"}, (), "text 1 has no field 'text'", "choose from label, review"),
            ({"txt": "ok"}, (), "text 1 has no field 'text'", "did you mean txt"),
            ({"text": "ok"}, "review", "text 1 has no field 'review'", "choose from text"),
            ({"title": "ok", "text": "ok"}, ("title", "body"), "text 1 has no field 'body'", "choose from text, title"),
            ({}, (), "text 1 has no field 'text'", "it is empty"),
        ],
    )
    def test_a_field_that_is_missing_is_an_error(
        self, item: dict[str, str], fields: tuple[str, ...], error: str, hint: str
    ) -> None:
        model = rnnx.load("sentiment-lstm")
        for use in (rnnx.predict, rnnx.explain):
            with pytest.raises(UsageError) as caught:
                list(use(model, ["a text", item], fields=fields))
            assert caught.value.message == error
            assert hint in caught.value.hint

    def test_other_fields_may_be_named(self, run: Run, table: Path) -> None:
        model = rnnx.load("sentiment-lstm")
        item = {"body": "boring", "title": "", "label": "positive"}
        (found,) = rnnx.explain(model, [item], fields=("title", "body"))
        assert (found.text, found.tokens[0].field) == ("boring", "body")
        assert list(rnnx.predict(model, [item], fields="body")) == list(rnnx.predict(model, ["boring"]))
        for command in ("predict", "explain"):
            argv = (command, str(table), "-f", "jsonl", "--text-field")
            assert json.loads(run(*argv, "title").out)["text"] == "A masterpiece"
            assert json.loads(run(*argv, "body", "--text-field", "title").out)["text"] == "boring\nA masterpiece"
        result = run("explain", "fine", "--set", "fields=body")
        assert "hint: use --text-field" in result.err

    def test_parquet(self, run: Run, tmp_path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        source = tmp_path / "in.parquet"
        parquet.write_table(pyarrow.table({"text": ["a masterpiece", "boring"], "label": ["positive", "bad"]}), source)
        result = run("predict", str(source))
        assert [line.split("\t")[0] for line in result.out.splitlines()] == ["positive", "negative"]


class TestPredict:
    def test_plain(self, run: Run) -> None:
        lines = run("predict", "a masterpiece", "boring").out.splitlines()
        assert [line.split("\t")[0] for line in lines] == ["positive", "negative"]
        assert [line.split("\t")[2] for line in lines] == ["a masterpiece", "boring"]

    def test_on_a_screen(self, run: Run) -> None:
        out = run("predict", "a masterpiece " * 30, screen=True, width=60).out
        assert "\x1b[1mpositive" in out
        assert "…" in out

    def test_formats(self, run: Run) -> None:
        records = json.loads(run("predict", "-f", "json", "-", stdin=REVIEWS).out)
        assert [r["label"] for r in records] == ["positive", "negative"]
        assert sum(records[0]["probabilities"].values()) == pytest.approx(1)
        rows = list(csv.DictReader(io.StringIO(run("predict", "-f", "csv", "-", stdin=REVIEWS).out)))
        assert [r["text"] for r in rows] == REVIEWS.splitlines()

    def test_columns_are_carried_along(self, run: Run, tmp_path: Path) -> None:
        source, target = tmp_path / "in.jsonl", tmp_path / "out.csv"
        source.write_text('{"id": 7, "text": "a masterpiece", "label": "x", "about": ["a", 1]}\n{"text": "meh"}\n')
        assert run("predict", str(source), "--keep", "id,label,about", "-o", str(target)).code == 0
        first, second = csv.DictReader(io.StringIO(target.read_text()))
        assert (first["id"], first["label"], first["given_label"], first["about"]) == ("7", "positive", "x", '["a", 1]')
        assert (second["id"], second["about"]) == ("", "")

    def test_it_goes_on_only_with_its_own_job(self, run: Run, tmp_path: Path) -> None:
        source, target = tmp_path / "in.txt", tmp_path / "out.jsonl"
        source.write_bytes(b"fine\nnot bad\ncaf\xe9\n")
        for does, other in (("predict", "explain"), ("explain", "predict")):
            assert run(does, str(source), "-o", str(target), "--strict", "--force").code == 2
            refused = run(other, str(source), "-o", str(target), "--resume")
            assert (refused.code, "method was" in refused.err) == (2, True)
        spoilt = run("predict", str(source), "-o", str(target), "--force", "--errors", str(source))
        assert (spoilt.code, "would be read and written" in spoilt.err) == (2, True)
        again = run("predict", str(source), "-o", str(target), "--force", "--errors", str(tmp_path / "errors.jsonl"))
        assert (again.code, f"wrote {target}: 2 texts" in again.err) == (0, True)
        assert json.loads((tmp_path / "errors.jsonl").read_text())["reason"] == "not UTF-8"

    def test_labels_in_the_file_give_the_accuracy(self, run: Run, tmp_path: Path) -> None:
        source = tmp_path / "in.csv"
        source.write_text("text,verdict\na masterpiece,positive\nboring,positive\nsuperb,\n")
        result = run("predict", str(source), "--label-field", "verdict", "-f", "csv")
        assert "1 of 2 agree with the field 'verdict': accuracy 50.0%" in result.err
        assert [row["given"] for row in csv.DictReader(io.StringIO(result.out))] == ["positive", "positive", ""]
        mixed = run("predict", "x", str(source), "--label-field", "verdict", "-f", "csv")
        assert (mixed.code, mixed.out.splitlines()[0]) == (0, "text,label,probability,given")

    def test_labels_of_another_kind_give_no_accuracy(self, run: Run, tmp_path: Path) -> None:
        source = tmp_path / "in.csv"
        source.write_text("text,label\na masterpiece,1\nboring,0\n")
        err = run("predict", str(source)).err
        assert "labels that the model does not know: 0, 1 (it knows negative, positive)" in err
        assert "accuracy" not in err
        assert "no row has a label in the field 'nosuch'" in run("predict", str(source), "--label-field", "nosuch").err

    def test_wide_labels_stand_in_columns(self) -> None:
        lines = [
            predictions.line("text", Prediction(label, 0.5, {label: 0.5}, (0.0,)), 80).plain
            for label in ("\u6b63\u9762", "bad")
        ]
        assert {cell_len(line[: line.index("text")]) for line in lines} == {19}


class TestTheSameOptions:
    """Of commands that read texts."""

    COMMANDS = (
        ["compare", "--methods", "lrp,grad"],
        ["evaluate", "--methods", "lrp", "--metrics", "comp"],
        ["explain"],
    )

    @pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: argv[0])
    def test_only_so_many_texts(self, run: Run, argv: list[str], tmp_path: Path) -> None:
        source = tmp_path / "in.jsonl"
        source.write_text('{"text": "fine"}\nnonsense\n{"text": "not bad"}\n{"text": "dull"}\nmore nonsense\n')
        result = run(*argv, str(source), "--limit", "2", "-f", "json")
        assert result.code == 0, result.err
        found = json.loads(result.out)
        texts = (
            found["texts"] if argv[0] == "evaluate" else len(found["comparisons"] if argv[0] == "compare" else found)
        )
        assert texts == 2
        assert "in.jsonl:2" in result.err
        assert "in.jsonl:5" not in result.err

    @pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: argv[0])
    def test_how_it_is_read_and_that_a_bad_row_is_an_error(self, run: Run, argv: list[str]) -> None:
        table = "review,stars\nnot bad at all,4\nbroken\n"
        fine = run(*argv, "-", "--input-format", "csv", "-f", "json", stdin=table)
        assert fine.code == 0, fine.err
        assert "not bad at all,4" not in fine.out
        strict = run(*argv, "-", "--input-format", "csv", "-f", "json", "--strict", stdin=table)
        assert strict.code == 2
        assert strict.err.splitlines()[-2] == "error: standard input:3: 1 columns, not 2 as the header has"
        assert "--input-format 'cvs' is not one of" in run(*argv, "-", "--input-format", "cvs", stdin=table).err


class TestMistakes:
    @pytest.mark.parametrize(
        ("argv", "error", "hint"),
        [
            (["explain", "x", "--method", "gard"], "unknown method 'gard'", "did you mean grad"),
            (["explain", "x", "--set", "norm=l3"], "norm must be one of l2", "l1"),
            (["explain", "x", "--method", "grad", "--set", "nrm=l2"], "unknown setting of grad 'nrm'", "norm"),
            (["explain", "x", "--set", "norm"], "is not NAME=VALUE", "--set norm=l1"),
            (["explain", "x", "--set", "seed=1"], "seed is not a setting of a method", "use --seed"),
            (["explain", "x", "--set", "model=y"], "model is not a setting of a method", "use --model"),
            (["methods", "chian"], "unknown method, view or metric 'chian'", "chain"),
            (["explain", "x", "--of", "odds"], "--of 'odds' is not one of logit", "logit, prob, loss"),
            (["explain", "x", "--target", "neg"], "unknown label 'neg'", "negative"),
            (["explain", "x", "-m", "sentiment-lsmt"], "no model 'sentiment-lsmt'", "did you mean sentiment-lstm"),
            (["explain", "x", "-m", "."], ". holds no model", "rnnx train"),
            (["explain", "x", "--method", "attention", "-m", "sentiment-lstm"], "attention needs attention", "grad"),
            (["explain", "x", "--view", "chian"], "unknown view 'chian'", "chain"),
            (["explain", "x", "--view", "chain", "--method", "attention"], "is a view of grad", "--method grad"),
            (
                ["explain", "x", "--of", "prob", "--method", "lrp"],
                "lrp shares out the target's logit",
                "and the loss too: grad, ",
            ),
            (["explain", "x", "--of", "loss", "--view", "hierarchy"], "hierarchy shares out the target's logit", "ig"),
            (["explain", "x", "--of", "prop"], "--of 'prop' is not one of logit, prob, loss", "did you mean prob?"),
            (["explain", "x", "--view", "interaction"], "interaction: first is missing", "--set first=not"),
            (
                ["explain", "bad", "--view", "interaction", "--set", "first=not", "--set", "second=good"],
                "the text has no 'not' and no 'good'",
                "name words that stand in the text",
            ),
            (["explain", "x", "--set", "of=prop"], "lrp: of must be logit, not 'prop'", "choose from logit"),
            (["explain", "x", "-f", "yaml"], "--format 'yaml' is not one of", ""),
            (["explain", "x", "--color", "red"], "--color 'red' is not one of", ""),
            (["explain", "x", "-c", "none.yaml"], "none.yaml: No such file", "configs/quickstart.yaml"),
            (["explain", "reviews.cvs.txt"], "reviews.cvs.txt: no such file", "check the name"),
            (["explain", "tests"], "tests is a folder without data files", "end in .csv .json .jsonl"),
            (["explain", " "], "the text ' ' is empty", "at least one word"),
            (["explain", "fine", ""], "the text '' is empty", "at least one word"),
            (["explain", "<br />"], "no words in the text", "at least one word, not only '<br />'"),
            (["explain", "fine", "no/such.csv"], "no/such.csv: no such file", "pipe it in"),
            (["explain", "-x fine"], "no such option: -x", "goes behind --"),
            (["explain", "x", "--set", "texts=y"], "texts is not a setting of a method", ""),
            (["explain", "x", "--of", "prob", "--set", "of=loss"], "are the same setting", "one of them"),
            (["predict", "x", "-o", "x.html"], "no format for this suffix", "--format"),
            (["explain", "\udcff"], "not UTF-8", "encoding"),
            (["explain"], "no text to read", "standard input"),
            (["predict", os.devnull], "no text in what was given", "a text a line"),
            (["explain", "x", "--nonsense"], "no such option: --nonsense", "rnnx explain --help"),
            (["explain", "x", "--seed", "many"], "'many' is not a valid", "rnnx explain --help"),
            (["expalin", "x"], "no such command 'expalin'. Did you mean 'explain'", "rnnx --help"),
            (["predict", "x", "-o", "/none/x.csv"], "No such file or directory", "write to"),
            (["methods", "gard"], "unknown method, view or metric 'gard'", "grad"),
            (["train"], "missing argument 'CONFIG'", "rnnx train --help"),
            (["train", "none.yaml"], "none.yaml: No such file", "configs/quickstart.yaml"),
        ],
    )
    def test_one_error_line_one_hint_and_2(self, run: Run, argv: list[str], error: str, hint: str) -> None:
        result = run(*argv)
        assert result.code == 2
        assert result.out == ""
        lines = result.err.splitlines()
        assert lines[0].startswith("error: ")
        assert error in lines[0]
        assert len(lines) <= 2
        if hint:
            assert lines[1].startswith("hint: ")
            assert hint in lines[1]

    def test_debug_shows_the_traceback(self, run: Run) -> None:
        for argv in (["--debug", "x"], ["x", "--debug"]):
            result = run("explain", "--method", "gard", *argv)
            assert "Traceback" in result.err
            assert result.err.splitlines()[-2].startswith("error: unknown method")

    def test_a_bug_asks_for_a_report(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cli, "_run", lambda argv, terminal: 1 / 0)
        result = run("explain", "x")
        assert result.code == 1
        assert result.err.splitlines()[0] == "error: ZeroDivisionError: division by zero"
        assert "report" in result.err

    def test_a_lack_of_memory_is_no_bug(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cli, "_run", lambda argv, terminal: np.empty(2**50))
        result = run("x")
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("error: the memory of this machine is too small")
        assert "hint: " in result.err
        assert "bug" not in result.err

    def test_an_interruption_is_130(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(argv: object, terminal: object) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr(cli, "_run", interrupted)
        assert run("explain", "x").code == 130

    def test_an_interruption_that_becomes_another_error_is_130_too(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As an import that is interrupted may do."""

        def interrupted(argv: object, terminal: object) -> int:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("cannot load module more than once") from None
            return 0

        monkeypatch.setattr(cli, "_run", interrupted)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
        try:
            result = run("explain", "x")
            assert (result.code, result.err) == (130, "\ninterrupted\n")
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        finally:
            signal.signal(signal.SIGINT, before)

    def test_an_error_cannot_steer_the_terminal(self, run: Run) -> None:
        result = run("explain", "\x1b[31m.csv")
        assert result.code == 2
        assert "\x1b" not in result.err

    @pytest.mark.parametrize(
        "change",
        [
            {"format": 9}, {"format": None}, {"labels": "ab"}, {"labels": ["a", "a"]}, {"labels": ["a"]},
            {"labels": [1, 2]}, {"lowercase": "maybe"}, {"kind": ["lstm"]},
            {"kind": "gru9"}, {"pooling": "best"}, {"tokenizer": "none"},
            {"new": 1},
        ],
        ids=str,
    )  # fmt: skip
    def test_another_model_json_is_an_error(
        self, run: Run, folder: Path, tmp_path: Path, change: dict[str, object]
    ) -> None:
        for file in folder.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        data = {**json.loads((folder / "model.json").read_text()), **change}
        (tmp_path / "model.json").write_text(json.dumps(data))
        result = run("explain", "-m", str(tmp_path), "x")
        assert (result.code, result.err.startswith("error: ")) == (2, True)
        assert str(tmp_path) in result.err

    @pytest.mark.parametrize("kind", ["missing", "misshapen", "infinite", "extra"])
    def test_other_weights_are_an_error(self, run: Run, folder: Path, tmp_path: Path, kind: str) -> None:
        spec, weights, vocabulary = checkpoint.read(folder)
        for name in weights:
            damaged = {n: w for n, w in weights.items() if n != name}
            if kind == "misshapen":
                damaged[name] = np.concatenate([weights[name]] * 2, axis=-1)
            elif kind == "infinite":
                damaged[name] = weights[name] * np.inf
            elif kind == "extra":
                damaged |= {name: weights[name], f"{name}.more": weights[name]}
            checkpoint.write(tmp_path, spec, weights, vocabulary)
            save_file(damaged, tmp_path / "model.safetensors")
            result = run("explain", "-m", str(tmp_path), "x")
            assert result.code == 2, name
            assert result.err.startswith("error: ")
            assert str(tmp_path) in result.err.splitlines()[0]

    def test_a_damaged_model_is_an_error(self, run: Run, folder: Path, tmp_path: Path) -> None:
        damages = {
            "model.json": b'{"kind": "x", "pooling": "last", "labels": ["a", "b"]}',
            "model.safetensors": b"junk",
            "vocabulary.txt": b"a\n",
        }
        for name, content in (("model.json", b"{"), *damages.items()):
            for file in folder.iterdir():
                (tmp_path / file.name).write_bytes(file.read_bytes())
            (tmp_path / name).write_bytes(content)
            result = run("explain", "-m", str(tmp_path), "x")
            assert (result.code, result.err.startswith("error: ")) == (2, True)
            assert str(tmp_path) in result.err


class TestScreens:
    def test_help_names_the_exit_codes_and_examples_that_run(self, run: Run) -> None:
        result = run("--help")
        assert result.code == 0
        assert "130 interrupted" in result.out
        assert "rnnx explain" in result.out

    def test_nothing_gives_the_help(self, run: Run) -> None:
        result = run()
        assert "Commands:" in result.out
        assert (result.err, result.code) == ("", 2)

    def test_version_names_torch_without_loading_it(self, run: Run) -> None:
        out = run("--version").out
        assert out.startswith("rnnx ")
        assert "torch 2" in out

    @pytest.mark.parametrize("width", [40, 80, 120])
    def test_methods_fit(self, run: Run, width: int) -> None:
        for argv in (
            ["methods"],
            *(["methods", name] for name in (*registry.methods(), *registry.VIEWS, *registry.METRICS)),
        ):
            out = run(*argv, width=width).out
            assert all(len(line) <= max(width, 60) for line in out.splitlines())

    def test_methods_lists_every_row(self, run: Run) -> None:
        out = run("methods").out
        assert all(f"  {name} " in out for name in (*registry.methods(), *registry.VIEWS))

    def test_a_page_shows_settings(self, run: Run) -> None:
        assert "--set norm=l2    one of l2, l1, squared, sum, max" in run("methods", "grad").out

    def test_a_page_shows_the_facts(self, run: Run) -> None:
        table = " ".join(run("methods").out.split())
        for row in (*registry.methods().values(), *registry.VIEWS.values()):
            page = " ".join(run("methods", row.name).out.split())
            method = registry.method(row.method) if isinstance(row, registry.View) else row
            assert (f"view of {method.name} " in page) is (method is not row)
            for fact in (registry.FAMILIES[method.family], *row.needs, row.cost, row.adds_up, row.paper, row.weakness):
                assert fact in page
            assert ("scores signed" in page) is row.signed
            assert row.cost in table
        page = run("methods", "grad").out
        assert "what is explained: the target's logit" in page
        assert "view of   grad" in run("methods", "memory").out

    def test_a_row_of_another_package_may_say_less(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        other = registry.Method("other", "rnnx.methods.gradients:grad", "another", "what it does")
        monkeypatch.setattr(registry, "methods", lambda: {"other": other})
        page = run("methods", "other").out
        assert "  family    another\n" in page
        assert "weakness" not in page.partition("\n\n")[2].partition("\n\n")[0]

    @pytest.mark.parametrize(
        ("environ", "argv", "coloured"),
        [
            ({}, [], True), ({"NO_COLOR": "1"}, [], False), ({"TERM": "dumb"}, [], None),
            ({"TERM": "xterm"}, [], False),
            ({"NO_COLOR": "1"}, ["--color", "always"], True), ({}, ["--color", "never"], None),
        ],
    )  # fmt: skip
    def test_colour_on_a_screen(
        self, run: Run, environ: dict[str, str], argv: list[str], coloured: bool | None
    ) -> None:
        out = run("explain", "fine", *argv, screen=True, environ=environ).out
        assert ("38;2;" in out) is bool(coloured)
        assert ("\x1b[" in out) is (coloured is not None)

    def test_a_picture_without_colour_has_marks(self, run: Run) -> None:
        out = run("explain", "--method", "grad-x-input", "not bad but great", "-f", "text").out
        assert re.search(r"[{\[][+-]", out)
        assert "scale" not in out

    def test_a_pipe_is_forced_into_colour(self, run: Run) -> None:
        assert "38;2;" in run("explain", "fine", "--color", "always").out
        assert "38;2;" in run("explain", "fine", environ={"FORCE_COLOR": "1"}).out
        assert "\x1b" not in run("explain", "fine").out


def test_closed_streams_are_no_bug() -> None:
    for closed in ("<&-", "2>&-", ">&-"):
        command = f"{sys.executable} -m rnnx predict fine {closed}"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0
        assert done.stderr == ""


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    source = tmp_path / "many.txt"
    source.write_text("a masterpiece of a film, not at all dull\n" * 100_000)
    target = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "rnnx", "explain", str(source), "-o", str(target)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # in the background it is ignored
    )
    part = tmp_path / "out.jsonl.part"
    while not part.exists() or part.stat().st_size == 0:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert not target.exists()
    done = part.read_text().splitlines()
    assert json.loads(done[0])["text"].startswith("a masterpiece")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    source = tmp_path / "many.txt"
    source.write_text("a masterpiece\n" * 5000)
    command = f"{sys.executable} -m rnnx explain {source} -f jsonl | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["text"] == "a masterpiece"
    assert done.stderr == ""
