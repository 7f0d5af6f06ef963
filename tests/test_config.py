"""Configs: every fault at once, each with its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import rnnx
from rnnx.config import Override, load, merge, parse
from rnnx.config.overrides import OTHERS
from rnnx.errors import ConfigError, DataError
from rnnx.training.folder import claim
from tests.conftest import Run

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_our_own_configs_are_valid(path: Path) -> None:
    assert load(str(path)).output == f"runs/{path.stem}"
    assert path.read_text("utf-8").startswith("# yaml-language-server: $schema=schema.json\n")  # for editors


def test_defaults_and_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, "data: {train: [{path: a.csv}]}\ntraining: {epochs: 3}\n")
    config = load(path, {"training.epochs": 7, "model.pooling": "attention", "output": "runs/x"})
    assert config.data is not None
    assert (config.training.epochs, config.model.pooling, config.output) == (7, "attention", "runs/x")
    assert (config.model.kind, config.data.fields, config.data.train[0].passes) == ("lstm", ("text",), 1.0)


def test_all_faults_at_once_with_their_lines(tmp_path: Path) -> None:
    text = """\
seed: many
data:
  train:
    - path: a.csv
      passes: -1
  txt: review
model:
  poling: last
  hidden: 0
"""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    first, *faults = caught.value.message.split("\n")
    assert first == f"{path} has 5 faults"
    expected = {1: "seed", 5: "data.train.0.passes", 6: "data.txt", 8: "model.poling", 9: "model.hidden"}
    assert len(faults) == len(expected)
    for line, name in expected.items():
        assert any(fault.startswith(f"{path}:{line}: {name}: ") for fault in faults), (line, name, faults)
    assert any("did you mean pooling" in fault for fault in faults)
    assert any("greater than 0, not 0" in fault for fault in faults)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", r"c\.yaml:1: not YAML"),
        ("seed: 1\n\tb: 2", r"c\.yaml:2: not YAML"),
        ("seed: 1\nmodel:\n  hidden: 3\n  hidden: 4", r"c\.yaml:4: hidden: stands there already, in line 3"),
        ("seed: -1", r"c\.yaml:1: seed: should be greater than or equal to 0, not -1"),
        ("seed: 99999999999999", "seed"),
        ("training: {threads: 100000}", "training.threads"),
        ("data: {train: [{path: a}], labels: [a, b, a]}", "each label may stand there once"),
        ("", "no settings in it"),
        ("just words", "no settings in it"),
        ("data: {}", "data.train: is missing"),
        ("data: {train: []}", "data.train"),
        ("model: {kind: gru2}", "model.kind"),
        ("training: 3", "training: should be a group of settings, not 3"),
    ],
)
def test_what_is_not_a_config(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load(write(tmp_path, text))
    assert caught.value.hint


LABELLED = "data: {train: [a.csv], labels: [good, bad]}\n"
KNOWN = "(known: label, passes, path, split)"


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        # Keys of a data source.
        (
            "data: {train: [{path: a, pases: 3}],\n txt: 3}\nseed: x",
            [
                "3: seed: should be a whole number, not 'x'",
                f"1: data.train.0.pases: no such setting; did you mean passes? {KNOWN}",
                "2: data.txt: no such setting; did you mean text? (known: dev, dev_share, folder, label, labels, test, "
                "test_share, text, train)",
            ],
        ),
        ("data: {train: [{label: x}]}", ["1: data.train.0.path: is missing"]),
        # Values of several kinds: one fault, and no key that is not in the file.
        (
            "training: {class_weights: balance}",
            ["1: training.class_weights: should be balanced, or a mapping of labels to weights, not 'balance'"],
        ),
        (
            "training:\n  class_weights:\n    0: x\n    a: -1\n    b: yes",
            [
                "3: training.class_weights.0: should be a number, not 'x'",
                "4: training.class_weights.a: should be greater than 0, not -1",
                "5: training.class_weights.b: should be a number, not true",
            ],
        ),
        ("data: {train: [a], text: [title, [x]]}", ["1: data.text.1: should be a text, not ['x']"]),
        ("data: {train: [a], text: {a: 1}}", ["1: data.text: should be a text, not {'a': 1}"]),
        ("data: {train: [a], text: []}", ["1: data.text: should have more in it, not []"]),
        ("data: {train: [a, [b]]}", ["1: data.train.1: should be a text, not ['b']"]),
        ("data: {train: a}", ["1: data.train: should be a list, not 'a'"]),
        # Numbers and texts that YAML takes for something else.
        (
            "data: {train: [a],\n labels: [no,\n yes, 2020-01-01]}\ntraining: {class_weights:\n {yes: 1}}",
            [
                "2: data.labels.0: should be a text, not false: yes, no, true and false need quotes",
                "3: data.labels.1: should be a text, not true: yes, no, true and false need quotes",
                "3: data.labels.2: should be a text, not 2020-01-01: a date needs quotes",
                "5: training.class_weights.True: should be a text, not true: yes, no, true and false need quotes",
            ],
        ),
        ("training: {epochs: yes}", ["1: training.epochs: should be a number, not true"]),
        ("training: {learning_rate: .inf}", ["1: training.learning_rate: should be a finite number, not inf"]),
        (
            "model:\n  1: 2",
            [
                "2: model.1: no such setting; choose from bidirectional, dropout, embedding, "
                "embedding_dropout, heads, hidden, kind, layers, output, pooling"
            ],
        ),
        # Beyond all bounds.
        (
            "data: {train: [{path: a, passes: 1001}]}",
            ["1: data.train.0.passes: should be less than or equal to 1000, not 1001"],
        ),
        ("model: {hidden: 65537}", ["1: model.hidden: should be less than or equal to 8192, not 65537"]),
        (f"seed: {'9' * 5000}", ["1: not YAML (a number or a date that cannot be)"]),
        ("seed: 1\nexplain: {target: 2020-13-45}", ["2: not YAML (a number or a date that cannot be)"]),
        (f"model: {[0] * 99}", [f"1: model: should be a group of settings, not {[0] * 6}"[:-1] + ", ...]"]),
        ("output: ''", ["1: output: should name a folder"]),
        # Values without an end.
        ("x: &x {b: *x}", ["1: not YAML (a part that contains itself)"]),
        ("seed: 1\ndata: &a [*a]", ["2: not YAML (a part that contains itself)"]),
        ("explain: {settings: &s {a: *s}}", ["1: not YAML (a part that contains itself)"]),
        ("a: " + "[" * 5000, ["1: not YAML (too many levels, or a part that contains itself)"]),
        # What does not fit together, beside a fault elsewhere.
        (
            "seed: x\ndata: {train: [a], labels: [a, b, c]}\nmodel:\n  output: sigmoid\ntraining:\n  class_weights:\n"
            "    a: 2\n    sci.med: 2\n    bb: 2",
            [
                "1: seed: should be a whole number, not 'x'",
                "4: model.output: sigmoid is for two classes, and data.labels has 3; say auto",
                "8: training.class_weights.sci.med: 'sci.med' is none of data.labels; choose from a, b, c",
                "9: training.class_weights.bb: 'bb' is none of data.labels; did you mean b? (known: a, b, c)",
            ],
        ),
        (
            "data:\n  labels: [a, b, a]\n  train: [a]\n  dev_share: 0.5\n  test_share: 0.7",
            [
                "5: data.test_share: dev_share and test_share leave nothing to train on",
                "2: data.labels.2: each label may stand there once, not 'a' again",
            ],
        ),
        ("model: {heads: 2}", ["1: model.heads: only attention has heads, and pooling is last"]),
        (
            "model:\n  pooling: dot-attention\n  hidden: 9\n  heads: 2",
            ["4: model.heads: 2 heads cannot share 9 units evenly"],
        ),
        (
            "base: &b {epochs: 3}\ntraining:\n  <<: *b\n  epochs: 0",
            [
                "4: training.epochs: should be greater than 0, not 0",
                "1: base: no such setting; choose from data, explain, half, model, output, seed, text, training",
            ],
        ),
    ],
)
def test_each_mistake_is_one_line(tmp_path: Path, text: str, faults: list[str]) -> None:
    path = write(tmp_path, text)
    assert told(path) == [f"{path}:{fault}" for fault in faults]


def test_aliases_of_aliases_take_no_time(tmp_path: Path) -> None:
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}' if i else 'x'] * 9)}]" for i in range(30)]
    path = write(tmp_path, "\n".join([*levels, "data: {train: [*l29]}", "training: {class_weights: *l29}"]))
    faults = told(path)
    assert len(faults) == 32
    assert max(len(fault) - len(path) for fault in faults) < 200


def told(path: str, flags: dict[str, Any] | None = None, environ: dict[str, str] | None = None) -> list[str]:
    """The faults, one a line."""
    with pytest.raises(ConfigError) as caught:
        merge(path, flags, environ)
    assert caught.value.hint
    first, *rest = caught.value.message.split("\n")
    return rest or [first]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: {train: [5], labels: [0, 1.5]}", {"data.labels": ["0", "1.5"], "data.fields": ("text",)}),
        ("data: {train: [5], text: 3}", {"data.fields": ("3",)}),
        ("training: {class_weights: {0: 1}}", {"training.class_weights": {"0": 1.0}}),
        ("training: {class_weights: balanced}", {"training.class_weights": "balanced"}),
        ("training: {learning_rate: 1e-3, epochs: 3.0}", {"training.learning_rate": 0.001, "training.epochs": 3}),
        ("explain: {target: 0}", {"explain.target": "0"}),
        ("training:\n  # epochs: 3\nexplain:\n  settings:\ndata:", {"training.epochs": 5, "explain.settings": {}}),
        ("training: &t {<<: {epochs: 3}, threads: 2}", {"training.epochs": 3, "training.threads": 2}),
    ],
)
def test_what_is_taken_as_it_is_meant(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    config = load(write(tmp_path, text))
    for name, value in expected.items():
        found: Any = config
        for key in name.split("."):
            found = getattr(found, key)
        assert found == value


@pytest.mark.parametrize(
    ("flags", "environ", "faults"),
    [
        ({"training.epochs": 0}, {}, ["--set training.epochs: should be greater than 0, not 0"]),
        (
            {"training.epochs.x": 3, "data.train.0.path": "c.csv", "seed": -1},
            {},
            [
                "--set training.epochs.x: training.epochs has no settings inside",
                "--set data.train.0.path: data.train has no settings inside",
                "--set seed: should be greater than or equal to 0, not -1",
            ],
        ),
        (
            {"data.train": [{"path": "j", "passes": -1}]},
            {},
            ["--set data.train: 0.passes: should be greater than 0, not -1"],
        ),
        ({"data": {}}, {}, ["--set data: train: is missing"]),
        (
            {
                "seed": Override(-1, "--seed"),
                "training.device": Override("x", "--device"),
                "output": Override("", "--output"),
            },
            {},
            [
                "--output: should name a folder",
                "--seed: should be greater than or equal to 0, not -1",
                "--device: should be 'auto', 'cpu' or 'cuda', not 'x'",
            ],
        ),
        (
            {"training.class_weights.goo": 2},
            {"RNNX_TRAINING_CLASS_WEIGHTS": "{good: 1}"},
            ["--set training.class_weights.goo: 'goo' is none of data.labels; did you mean good? (known: good, bad)"],
        ),
        (
            {"training.class_weights": "balanced", "training.class_weights.good": 2},
            {},
            ["--set training.class_weights.good: training.class_weights is 'balanced', no group of settings"],
        ),
        (
            {"seed": "x"},
            {
                "RNNX_TRAINING_EPOCHS": "[",
                "RNNX_TRAINNING_EPOCHS": "3",
                "RNNX_OUTPTU": "x",
                "RNNX_TRAINING": "3",
                "RNNX_EPOCHS": "3",
                "RNNX_MODLE": "x",
                "RNNX_FOO": "x",
                "RNNX_MODEL_HIDDEN": "0",
                "RNNX_MODEL": "sentiment-lstm",
                "RNNX_HALF": "",
                "_RNNX_COMPLETE": "x",
            },
            [
                "RNNX_TRAINING_EPOCHS=[: not a YAML value",
                "RNNX_TRAINNING_EPOCHS: no such setting; did you mean RNNX_TRAINING_EPOCHS or RNNX_TRAINING_TEACHERS?",
                "RNNX_OUTPTU: no such setting; did you mean RNNX_OUTPUT?",
                "RNNX_TRAINING: no such setting; did you mean RNNX_TRAINING_EPOCHS or RNNX_TRAINING_OPTIMIZER?",
                "RNNX_EPOCHS: no such setting; did you mean RNNX_TRAINING_EPOCHS?",
                "RNNX_MODLE: no such setting; did you mean RNNX_MODEL?",
                "RNNX_FOO: no such setting",
                "--set seed: should be a whole number, not 'x'",
                "RNNX_MODEL_HIDDEN: should be greater than 0, not 0",
            ],
        ),
    ],
)
def test_what_an_override_gets_wrong(
    tmp_path: Path, flags: dict[str, Any], environ: dict[str, str], faults: list[str]
) -> None:
    assert told(write(tmp_path, LABELLED), flags, environ) == faults


@pytest.mark.parametrize(
    ("flags", "environ", "hint"),
    [
        ({"training.epochs.x": 3}, {}, "it is one value: --set training.epochs=..."),
        ({"data.train.0.path": "c.csv"}, {}, "give the list whole: --set 'data.train=[...]'"),
        ({}, {"RNNX_TRAINING_EPOCHS": "["}, "quote it: RNNX_TRAINING_EPOCHS='\"[\"'"),
        ({}, {"RNNX_FOO": "1"}, "name a setting, as RNNX_TRAINING_EPOCHS, or unset it"),
    ],
)
def test_hints(tmp_path: Path, flags: dict[str, Any], environ: dict[str, str], hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, LABELLED), flags, environ)
    assert caught.value.hint == hint


@pytest.mark.parametrize("name", ["training..epochs", "training.epoch", "epochs", "", "seed.", "trainig.epochs"])
def test_an_override_of_nothing_names_itself(tmp_path: Path, name: str) -> None:
    (fault,) = told(write(tmp_path, LABELLED), {name: 3})
    assert re.match(rf"--set {re.escape(name)}: (no such setting; |seed has no settings inside)", fault)


@pytest.mark.parametrize("text", ["[", "[" * 5000, "&a [*a]", "2020-13-45", "{"])
def test_a_set_value_that_is_no_yaml(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--set a\.{b}=.{1,60}: not a YAML value$") as caught:
        parse("a.{b}", text)
    assert caught.value.hint.startswith("quote it: --set 'a.{b}=\"")


def test_what_set_each_setting(tmp_path: Path) -> None:
    text = LABELLED + "training:\n  class_weights: {good: 2}\n  clip: 2\n  patience: 4\nmodel: {hidden: 9}\nexplain:"
    path = write(tmp_path, text)
    flags = {
        "training.class_weights.bad": 3,
        "training.epochs": Override(4, "--epochs"),
        "seed": Override(4, "--seed"),
        "model": {"kind": "gru"},
        "explain.settings.steps": 4,
    }
    merged = merge(path, flags, {"RNNX_TRAINING_EPOCHS": "3", "RNNX_TRAINING_CLIP": "3", "RNNX_MODEL_LAYERS": "2"})
    assert {s.name: (s.value, s.origin) for s in merged.settings if s.origin != "default"} == {
        "seed": (4, "--seed"),
        "data.train": (merged.config.data and merged.config.data.train, f"{path}:1"),
        "data.labels": (["good", "bad"], f"{path}:1"),
        "model.kind": ("gru", "--set model"),
        "training.epochs": (4, "--epochs"),
        "training.clip": (3.0, "RNNX_TRAINING_CLIP"),
        "training.class_weights": ({"good": 2.0, "bad": 3.0}, f"{path}:3, --set training.class_weights.bad"),
        "training.patience": (4, f"{path}:5"),
        "explain.settings": ({"steps": 4}, "--set explain.settings.steps"),
    }
    assert merged.config.model.hidden == 128  # --set model gave the section whole


def test_the_variables_of_other_commands_are_known() -> None:
    """Every RNNX_ variable that the command line reads, by its source."""
    sources = (Path(rnnx.__file__).parent / "cli").glob("*.py")
    found = {name for path in sources for name in re.findall(r'"(RNNX_[A-Z_]+)"', path.read_text("utf-8"))}
    assert found == OTHERS


def test_a_dry_run_names_flags_and_shows_sources_as_they_were_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "a film,sci.med\na plot,no\n" * 20)
    (tmp_path / "b.txt").write_text("a plot\nnot a plot\n")
    text = "data: {train: [a.csv, {path: b.txt, label: 'no'}]}\ntraining:\n  class_weights: {sci.med: 2}"
    path = write(tmp_path, text)
    argv = ("--dry-run", "--seed", "4", "--device", "cpu", "-o", "x", "--set", f"data.folder={tmp_path}")
    result = run("train", path, *argv)
    assert result.code == 0, result.err
    for line in (
        r'data.train: \["a.csv", {"path": "b.txt", "label": "no"}\] +# .*c.yaml:1',
        r'data.text: \["text"\] +# default',
        r'training.class_weights: {"sci.med": 2.0} +# .*c.yaml:3',
        "seed: 4 +# --seed",
        "training.device: .* +# --device",
        "output: .* +# --output",
    ):
        assert re.search(f"^{line}$", result.out, re.MULTILINE), (line, result.out)
    result = run("train", path, "--dry-run", "-o", "", "--seed", "-1")
    assert result.code == 2
    assert "  --output: should name a folder\n  --seed: should be greater than or equal to 0" in result.err


def test_explain_reads_the_environment_over_its_config(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, "explain: {method: attention, model: sentiment-attention}")
    environ = {"RNNX_EXPLAIN_METHOD": "grad"}
    assert "grad" in run("explain", "-c", path, "fine", environ=environ).out
    assert "attention" in run("explain", "-c", path, "--method", "attention", "fine", environ=environ).out.split()[0:9]
    result = run("explain", "-c", path, "fine", environ={"RNNX_EXPLAIN_METHDO": "grad"})
    assert (result.code, "did you mean RNNX_EXPLAIN_METHOD" in result.err) == (2, True)


@pytest.mark.parametrize("text", ["output: runs/x", "data: {train: [{path: a.csv}]}"])
def test_training_needs_data_and_a_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        claim(load(write(tmp_path, text)))


def test_the_place_is_checked_before_training(tmp_path: Path) -> None:
    config = load(write(tmp_path, "data: {train: [{path: a.csv}]}"), {"output": str(tmp_path)})
    with pytest.raises(DataError, match="is not empty"):
        claim(config)
    assert claim(config, force=True) == tmp_path
    for place in (tmp_path / "c.yaml", tmp_path / "c.yaml" / "run"):
        with pytest.raises(DataError, match=r"c\.yaml"):
            claim(config.model_copy(update={"output": str(place)}), force=True)
