"""Interrupted training goes on as if nothing had happened, and metrics and class weights are what they say."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from rnnx.config import Config, load
from rnnx.errors import ConfigError, DataError, ModelError, UnknownName
from rnnx.training import folder as folders
from rnnx.training import progress
from rnnx.training import run as runs
from rnnx.training.corpus import gather
from rnnx.training.material import class_weights
from rnnx.training.metrics import calibration_error, measure
from tests.conftest import Run

TEXTS = [
    (f"{word} {age} film {end}", label)
    for word, label in {"good": "yes", "bad": "no", "fine": "yes", "dull": "no"}.items()
    for age in ("old", "new", "short", "long")
    for end in ("!", ".", "indeed", "really")
]
SETTINGS = """
text: {min_count: 1}
model: {embedding: 6, hidden: 8, layers: 2}
training: {epochs: 6, learning_rate: 0.02, batch_tokens: 40, save_every: 0.001, optimizer: OPTIMIZER}
"""


def lines(texts: list[tuple[str, str]]) -> str:
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in texts)


@pytest.fixture(params=["adam", "adamw"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "train.jsonl").write_text(lines(TEXTS))
    path = tmp_path / "c.yaml"
    path.write_text(
        f"data: {{folder: '{tmp_path}', train: [train.jsonl]}}" + SETTINGS.replace("OPTIMIZER", request.param)
    )
    return path


def train(config: Path, folder: Path, steps: int | None = None, *, resume: bool = False) -> None:
    """All of the training, or only so many events of it."""
    job = runs.plan(load(str(config)), pytest.fail)
    for _ in islice(runs.train(job, folder, resume=resume), steps):
        pass


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_cut_anywhere_the_weights_are_the_same_to_the_bit(config: Path, tmp_path: Path) -> None:
    train(config, tmp_path / "whole")
    rng = random.Random(0)
    while not folders.finished(tmp_path / "cut"):
        train(config, tmp_path / "cut", rng.randint(3, 40), resume=True)
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    whole, cut = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "cut"))
    for found in (whole, cut):
        found.pop("seconds")
    assert whole == cut
    assert not (tmp_path / "cut" / progress.FILE).exists()


def test_chance_of_every_kind_is_resumed(tmp_path: Path) -> None:
    """Crops, words that are left out, halves of files, dropout between layers."""
    (tmp_path / "train.jsonl").write_text(lines([(f"{text} " * 9, label) for text, label in TEXTS]))
    config = tmp_path / "c.yaml"
    config.write_text(f"""
data: {{folder: '{tmp_path}', train: [{{path: train.jsonl, passes: 1.5}}], dev_share: 0.2}}
text: {{min_count: 1}}
model: {{kind: gru, layers: 2, bidirectional: true, pooling: attention, embedding: 6, hidden: 4}}
training: {{epochs: 3, batch_tokens: 99, max_tokens: 33, word_dropout: 0.3, save_every: 0.001, class_weights: balanced}}
""")
    train(config, tmp_path / "whole")
    rng = random.Random(0)
    while not folders.finished(tmp_path / "cut"):
        train(config, tmp_path / "cut", rng.randint(5, 30), resume=True)
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")


def test_killed_at_any_moment(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace("epochs: 6", "epochs: 12"))
    train(config, tmp_path / "whole")
    argv = [sys.executable, "-m", "rnnx", "train", str(config), "-o", str(tmp_path / "cut"), "--resume", "-q"]
    file, rng = tmp_path / "cut" / progress.FILE, random.Random(1)
    for _ in range(3):
        before = saved_at(file)
        process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        while process.poll() is None and saved_at(file) == before:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert subprocess.run(argv, capture_output=True).returncode == 0
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")


def saved_at(file: Path) -> int:
    return file.stat().st_mtime_ns if file.exists() else 0


def test_another_run_is_not_resumed(config: Path, tmp_path: Path) -> None:
    train(config, tmp_path / "run", 30)
    text = config.read_text()
    config.write_text(text.replace("learning_rate: 0.02", "learning_rate: 0.01"))
    with pytest.raises(ConfigError, match=r"begun with training\.learning_rate: 0\.02, not 0\.01"):
        train(config, tmp_path / "run", resume=True)
    config.write_text(text)
    with (tmp_path / "train.jsonl").open("a") as stream:
        stream.write('{"text": "a new film", "label": "no"}\n')
    with pytest.raises(DataError, match="the data are not those"):
        train(config, tmp_path / "run", resume=True)
    (tmp_path / "run" / progress.FILE).write_bytes(b"spoilt")
    with pytest.raises(ModelError, match="cannot be read"):
        train(config, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("model.hidden=9", "begun with model.hidden: 8, not 9"),
        ("training.class_weights=null", 'begun with training.class_weights: "balanced", not null'),
        ('training.class_weights={"yes": 2, "no": 1}', "begun with training.class_weights"),
    ],
)
def test_what_differs_is_named(run: Run, config: Path, tmp_path: Path, setting: str, words: str) -> None:
    config.write_text(config.read_text().replace("training: {", "training: {class_weights: balanced, "))
    train(config, tmp_path / "run", 30)
    result = run("train", str(config), "-o", str(tmp_path / "run"), "-q", "--resume", "--set", setting)
    assert result.code == 2
    assert words in result.err


def test_a_finished_run_of_another_config_is_not_taken_for_this_one(run: Run, config: Path, tmp_path: Path) -> None:
    train(config, tmp_path / "run")
    argv = ("train", str(config), "-o", str(tmp_path / "run"), "-q", "--resume")
    assert run(*argv, "--set", "training.save_every=9").code == 0
    result = run(*argv, "--set", "training.epochs=5")
    assert result.code == 2
    assert "holds a finished run, trained with training.epochs: 6, not 5" in result.err
    (tmp_path / "run" / "metrics.json").unlink()
    assert "no run to go on with" in run(*argv).err


def test_begun_anew_the_old_run_is_gone_from_the_first_step(config: Path, tmp_path: Path) -> None:
    train(config, tmp_path / "run")
    train(config, tmp_path / "run", 1)
    assert not folders.finished(tmp_path / "run")
    before = weights(tmp_path / "run")
    train(config, tmp_path / "run", resume=True)
    assert weights(tmp_path / "run") == before  # the same run again


def test_two_at_once(config: Path, tmp_path: Path) -> None:
    job = runs.plan(load(str(config)), pytest.fail)
    first = runs.train(job, tmp_path / "run")
    next(first)
    with pytest.raises(DataError, match="another training is writing into"):
        train(config, tmp_path / "run")
    first.close()
    train(config, tmp_path / "run", resume=True)


def test_the_command_says_how_to_go_on(run: Run, config: Path, tmp_path: Path) -> None:
    train(config, tmp_path / "run", 30)
    argv = ("train", str(config), "-o", str(tmp_path / "run"), "-q")
    refused = run(*argv)
    assert refused.code == 2
    assert "--resume goes on" in refused.err
    assert run(*argv, "--resume").code == 0
    assert "is finished" in run(*argv, "--resume").err
    assert run(*argv, "--resume", "--force").code == 2


def test_a_dry_run_says_all_and_writes_nothing(run: Run, config: Path, tmp_path: Path) -> None:
    argv = ("train", str(config), "-o", str(tmp_path / "run"), "--dry-run", "--set", "model.hidden=12")
    result = run(*argv, environ={"RNNX_TRAINING_EPOCHS": "9"})
    assert result.code == 0, result.err
    assert not (tmp_path / "run").exists()
    lines = dict(line.split("  #", 1) for line in result.out.splitlines() if "  #" in line)
    origins = {name.partition(":")[0]: (name.partition(": ")[2].strip(), o.strip()) for name, o in lines.items()}
    assert origins["model.hidden"] == ("12", "--set model.hidden")
    assert origins["training.epochs"] == ("9", "RNNX_TRAINING_EPOCHS")
    assert origins["text.min_count"] == ("1", f"{config}:2")
    assert origins["seed"] == ("0", "default")
    assert "parameters" in result.out
    assert "texts" in result.out


def test_the_environment_is_checked(run: Run, config: Path) -> None:
    result = run("train", str(config), "--dry-run", environ={"RNNX_TRAINING_EPOCH": "9"})
    assert result.code == 2
    assert "did you mean RNNX_TRAINING_EPOCHS" in result.err


def test_the_schema(run: Run) -> None:
    result = run("train", "--schema")
    assert result.code == 0, result.err
    assert json.loads(result.out) == Config.model_json_schema()
    shipped = Path(__file__).parent.parent / "configs" / "schema.json"
    assert json.loads(shipped.read_text("utf-8")) == Config.model_json_schema()


class TestMetrics:
    def test_by_hand(self) -> None:
        p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], np.float32)
        found = measure(p, [0, 0, 1, 1])
        assert found.accuracy == 0.75
        assert found.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
        assert found.log_loss == pytest.approx(-np.log([0.9, 0.8, 0.7, 0.4]).mean(), abs=1e-6)
        assert found.calibration_error == pytest.approx((0.1 + 0.2 + 0.3 + 0.6) / 4, abs=1e-6)

    def test_a_class_that_does_not_occur(self) -> None:
        assert measure(np.eye(3, dtype=np.float32)[[0, 1]], [0, 1]).macro_f1 == pytest.approx(2 / 3)

    def test_perfectly_calibrated(self) -> None:
        p = np.tile([0.75, 0.25], (8, 1))
        assert calibration_error(p, np.array([0] * 6 + [1] * 2)) == pytest.approx(0, abs=1e-9)


def test_class_weights(config: Path, tmp_path: Path) -> None:
    with (tmp_path / "train.jsonl").open("a") as stream:
        stream.write('{"text": "a fine play", "label": "yes"}\n' * 64)
    corpus = gather(load(str(config), {"data.dev": ["train.jsonl"]}), pytest.fail)
    assert class_weights(None, corpus) == [1, 1]
    assert class_weights({"no": 3.0}, corpus) == [3, 1]
    assert class_weights("balanced", corpus) == [128 / (2 * 32), 128 / (2 * 96)]
    with pytest.raises(UnknownName):
        class_weights({"nope": 3.0}, corpus)
