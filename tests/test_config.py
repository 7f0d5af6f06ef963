"""Configs: every fault at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnx.config import load, parse
from rnnx.errors import ConfigError, DataError
from rnnx.training.run import prepare

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_our_own_configs_are_valid(path: Path) -> None:
    assert load(str(path)).output == f"runs/{path.stem}"


def test_defaults_and_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, "data: {train: [{path: a.csv}]}\ntraining: {epochs: 3}\n")
    config = load(path, {"training.epochs": 7, "model.pooling": "attention", "output": "runs/x"})
    assert config.data is not None
    assert (config.training.epochs, config.model.pooling, config.output) == (7, "attention", "runs/x")
    assert (config.model.kind, config.data.text, config.data.train[0].passes) == ("lstm", "text", 1.0)


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


def test_an_override_of_nothing_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "seed: 1\n")
    with pytest.raises(ConfigError, match=r"^--set training\.epoch: no such setting"):
        load(path, {"training.epoch": 3})
    with pytest.raises(ConfigError, match=r"^--set training\.epochs: .*greater than 0"):
        load(path, {"training.epochs": 0})
    with pytest.raises(ConfigError, match="no settings inside"):
        load(path, {"seed.more": 3})
    with pytest.raises(ConfigError, match=r"--set a\.b=\[: not a YAML value"):
        parse("a.b", "[")


@pytest.mark.parametrize("text", ["output: runs/x", "data: {train: [{path: a.csv}]}"])
def test_training_needs_data_and_a_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        prepare(load(write(tmp_path, text)), force=False)


def test_the_place_is_checked_before_training(tmp_path: Path) -> None:
    config = load(write(tmp_path, "data: {train: [{path: a.csv}]}"), {"output": str(tmp_path)})
    with pytest.raises(DataError, match="is not empty"):
        prepare(config, force=False)
    assert prepare(config, force=True) == tmp_path
    for place in (tmp_path / "c.yaml", tmp_path / "c.yaml" / "run"):
        with pytest.raises(DataError, match=r"c\.yaml"):
            prepare(config.model_copy(update={"output": str(place)}), force=True)
