"""Training: it learns, it is repeatable, and what it writes is what was trained."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnx.config import Config, Training, load, parse
from rnnx.errors import DataError, ModelError, RnnxError, UnknownName
from rnnx.explaining import predict
from rnnx.models import checkpoint
from rnnx.models.catalog import Spec
from rnnx.models.protocols import Integers
from rnnx.models.scores import probabilities
from rnnx.text.vocabulary import SPECIAL, Vocabulary
from rnnx.training import distillation, vectors
from rnnx.training import run as runs
from rnnx.training.data import Example, Part, crop, epoch
from rnnx.training.loop import Step, fit
from rnnx.training.network import RecurrentNetwork
from rnnx.training.progress import Epoch, start
from rnnx.types import LeftOut
from tests.conftest import Run

ADJECTIVES = {"good": "yes", "bad": "no", "so good": "yes", "so bad": "no"}
TEXTS = [
    (f"{adjective} {age} film {end}", label)
    for adjective, label in ADJECTIVES.items()
    for age in ("old", "new", "short", "long")
    for end in ("!", ".", "indeed", "really")
]
CONFIG = """
data: {train: [{path: train.jsonl}], dev_share: 0.25}
text: {min_count: 1}
model: {pooling: POOLING, embedding: 8, hidden: 12, embedding_dropout: 0.0, dropout: 0.0}
training: {epochs: 20, learning_rate: 0.03, batch_tokens: 60, word_dropout: 0.0, average: 0.9, patience: 20}
"""


@pytest.fixture(params=["last", "attention"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    rows = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in TEXTS)
    (tmp_path / "train.jsonl").write_text(rows)
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG.replace("POOLING", request.param).replace("data: {", f"data: {{folder: '{tmp_path}', "))
    return path


def train(config: Path, folder: Path, **overrides: str) -> list[Step | Epoch]:
    settings = load(str(config), {name: parse(name, text) for name, text in overrides.items()})
    return trained(settings, folder)


def trained(settings: Config, folder: Path, fault: Callable[[LeftOut], None] = pytest.fail) -> list[Step | Epoch]:
    return list(runs.train(runs.plan(settings, fault), folder))


def test_it_learns_and_writes_a_model_that_the_engine_reads(config: Path, tmp_path: Path) -> None:
    events = train(config, tmp_path / "run")
    last = [e for e in events if isinstance(e, Epoch)][-1]
    assert last.dev["held-out share"].accuracy == 1.0
    model = checkpoint.load(str(tmp_path / "run"))
    assert model.labels == ("no", "yes")
    assert [p.label for p in predict(model, ["good old film", "bad new film"])] == ["yes", "no"]


def test_the_folder_says_how_it_was_made(config: Path, tmp_path: Path) -> None:
    train(config, tmp_path / "run", seed="5")
    files = {p.name for p in (tmp_path / "run").iterdir()}
    assert files == {"model.json", "model.safetensors", "vocabulary.txt", "config.yaml", "metrics.json"}
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["seed"] == 5
    assert metrics["versions"].keys() == {"rnnx", "python", "torch", "numpy"}
    assert metrics["dev"]["held-out share"]["accuracy"] == 1.0
    assert metrics["train_texts"] == {"train.jsonl": 48}
    merged = load(str(tmp_path / "run" / "config.yaml"))
    assert merged.seed == 5
    assert merged == load(str(config), {"seed": 5})


def test_the_same_seed_gives_the_same_weights(config: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        train(config, tmp_path / name, **{"seed": seed, "training.epochs": "2"})
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def test_half_precision_on_disk_is_single_in_memory(config: Path, tmp_path: Path) -> None:
    for name, half in (("whole", "false"), ("half", "true")):
        train(config, tmp_path / name, **{"half": half, "training.epochs": "2"})
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.7 * sizes[0]
    whole, half = (checkpoint.load(str(tmp_path / name)) for name in ("whole", "half"))
    assert half.network.embedding.dtype == np.float32
    np.testing.assert_allclose(half.network.embedding, whole.network.embedding, rtol=1e-3, atol=1e-5)


def test_it_stops_early_and_keeps_the_best(config: Path, tmp_path: Path) -> None:
    epochs = [
        e
        for e in train(
            config,
            tmp_path / "run",
            **{"training.epochs": "60", "training.patience": "2", "training.learning_rate": "0.5"},
        )
        if isinstance(e, Epoch)
    ]
    assert len(epochs) < 60
    assert [e.best for e in epochs[-2:]] == [False, False]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["best_epoch"] == epochs[-3].number


def test_several_files_with_passes_labels_and_dev(config: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("more.csv", "deep/more.csv"):
        (tmp_path / name).write_text("text,label\ngood thing,yes\nfair thing,maybe\nbad thing,no\n")
    data = load(str(config)).data
    assert data is not None
    sources = [{"path": "train.jsonl", "passes": 0.5}, {"path": "more.csv", "passes": 3}]
    given = {"folder": data.folder, "train": sources, "dev": ["more.csv", "deep/more.csv"], "test": ["more.csv"]}
    rest = {"text": {"min_count": 1}, "training": {"epochs": 1, "batch_tokens": 40}}
    events = trained(Config.model_validate({"data": given, **rest}), tmp_path / "run")
    assert checkpoint.load(str(tmp_path / "run")).labels == ("maybe", "no", "yes")
    assert [list(e.dev) for e in events if isinstance(e, Epoch)] == [["more.csv", "deep/more.csv"]]
    measured = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]["more.csv"]
    model = checkpoint.load(str(tmp_path / "run"))
    right = [p.label for p in predict(model, ["good thing", "fair thing", "bad thing"])]
    share = sum(a == b for a, b in zip(right, ["yes", "maybe", "no"], strict=True)) / 3
    assert (measured["texts"], measured["accuracy"]) == (3, round(share, 4))
    restricted = Config.model_validate({"data": {**given, "labels": ["no", "yes"]}, **rest})
    with pytest.raises(UnknownName, match="maybe"):
        trained(restricted, tmp_path / "x")


@pytest.mark.parametrize(
    ("rows", "words"), [("", "no labelled text"), ('{"text": "a", "label": "x"}\n' * 9, "all texts have the label")]
)
def test_data_that_cannot_train_is_an_error(config: Path, tmp_path: Path, rows: str, words: str) -> None:
    (tmp_path / "train.jsonl").write_text(rows)
    with pytest.raises(DataError, match=words):
        train(config, tmp_path / "run")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"text.min_count": "99"}, "no word occurs 99 times"),
        ({"training.learning_rate": ".inf"}, "should be a finite number, not inf"),
        ({"data.dev_share": "0.99"}, "leaves no texts to train on"),
        ({"data.dev_share": "0.01"}, "leaves no texts to measure"),
    ],
)
def test_settings_that_cannot_train_are_an_error(
    config: Path, tmp_path: Path, overrides: dict[str, str], words: str
) -> None:
    with pytest.raises(RnnxError, match=words):
        train(config, tmp_path / "run", **overrides)
    assert not (tmp_path / "run" / "model.json").exists()


def test_rows_without_label_or_words_are_faults(config: Path, tmp_path: Path) -> None:
    with (tmp_path / "train.jsonl").open("a") as stream:
        stream.write('{"text": "no label"}\n{"text": "<br />", "label": "yes"}\n{"text": "empty", "label": ""}\n')
    faults: list[LeftOut] = []
    trained(load(str(config), {"training.epochs": 1}), tmp_path / "run", faults.append)
    assert [fault.reason for fault in faults] == ["no field 'label'", "no words in the text", "no label"]


def example(ids: Integers, label: int, classes: int = 2) -> Example:
    return Example(ids, label, np.eye(classes, dtype=np.float32)[label])


class TestBatches:
    PART = Part("p", [example(np.arange(2, 2 + n), n % 2) for n in (3, 5, 8, 40, 1, 2) * 10])

    def test_every_text_once_within_the_budget(self) -> None:
        settings = Training(batch_tokens=50, batch_texts=4, max_tokens=1000)
        batches = epoch([self.PART], np.random.default_rng(0), settings)
        lengths = [n for batch in batches for n in batch.lengths.tolist()]
        assert sorted(lengths) == sorted(len(e.ids) for e in self.PART.examples)
        for batch in batches:
            assert len(batch.labels) <= 4
            assert len(batch.labels) == 1 or batch.ids.numel() <= 50
            assert (batch.ids.count_nonzero(1) == batch.lengths).all()

    @pytest.mark.parametrize(("passes", "count"), [(0.5, 30), (1.0, 60), (2.25, 135)])
    def test_passes(self, passes: float, count: int) -> None:
        part = Part("p", self.PART.examples, passes)
        assert sum(len(b.labels) for b in epoch([part], np.random.default_rng(0), Training())) == count

    def test_a_crop_keeps_the_end_and_often_the_beginning(self) -> None:
        ids = np.arange(100)
        crops = [crop(ids, 30, np.random.default_rng(seed)) for seed in range(50)]
        assert all(len(c) == 30 and c[-1] == 99 for c in crops)
        assert {int(c[0]) for c in crops} == {0, 70}
        np.testing.assert_array_equal(crop(ids[:30], 30, np.random.default_rng(0)), ids[:30])


def test_three_classes_are_learnt() -> None:
    torch.manual_seed(0)
    spec = Spec("lstm", "last", ("a", "b", "c"))
    network = RecurrentNetwork(spec, torch.randn(8, 4), hidden=8)
    part = Part("p", [example(np.array([2 + i % 3, 5, 6]), i % 3, 3) for i in range(90)])
    settings = Training(epochs=12, learning_rate=0.03, batch_tokens=60, word_dropout=0, average=0.5, patience=12)
    progress = start(network, settings, 0)
    epochs = [e for e in fit(progress, [part], [part], settings) if isinstance(e, Epoch)]
    assert max(e.dev["p"].accuracy for e in epochs) == 1.0


class TestTeachers:
    def test_their_mean_opinion_is_learnt(self, config: Path, tmp_path: Path) -> None:
        """Two teachers that were taught the labels the wrong way round, and alone decide."""
        wrong = tmp_path / "wrong.jsonl"
        rows = [{"text": text, "label": {"yes": "no", "no": "yes"}[label]} for text, label in TEXTS]
        wrong.write_text("".join(json.dumps(row) + "\n" for row in rows))
        for name in ("a", "b"):
            train(config, tmp_path / name, **{"data.train": "[{path: wrong.jsonl}]"})
        found = f"[{tmp_path / 'a'}, {tmp_path / 'b'}]"
        train(
            config,
            tmp_path / "c",
            **{"training.teachers": found, "training.teacher_weight": "1", "training.patience": "99"},
        )
        texts = ["so good new film", "bad old film"]
        masters = distillation.load_teachers([str(tmp_path / "a"), str(tmp_path / "b")], ("no", "yes"))
        opinions = distillation.opinions(masters, [text.split() for text in texts])
        single = [probabilities(m.forward(m.encode([t])))[0] for t in texts for m in masters]
        np.testing.assert_allclose(opinions, np.reshape(single, (2, 2, 2)).mean(1), atol=1e-6)
        assert opinions.argmax(1).tolist() == [0, 1]

    def test_other_labels_are_refused(self, folder: Path) -> None:
        with pytest.raises(ModelError, match="has the labels") as caught:
            distillation.load_teachers([str(folder)], ("no", "yes"))
        assert caught.value.hint == "a teacher must have been trained on the very labels of the data"

    def test_the_same_labels_in_another_order_are_refused(self) -> None:
        with pytest.raises(ModelError, match="has the labels negative, positive, and the data positive, neg") as caught:
            distillation.load_teachers(["sentiment-lstm"], ("positive", "negative"))
        assert caught.value.hint == "data.labels: [negative, positive] puts them in its order"


class TestVectors:
    def test_a_text_file(self, tmp_path: Path) -> None:
        path = tmp_path / "v.txt"
        path.write_text("2 3\ngood 1 2 3\nfilm -1 0 .5\n")
        found = vectors.read(str(path))
        assert found.words == ("good", "film")
        np.testing.assert_array_equal(found.matrix, [[1, 2, 3], [-1, 0, 0.5]])

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "no vectors"), ("a 1 2\nb 1\n", ":2: 1 numbers"), ("a 1 x\n", ":1: not a word"),
            ("good\nbad\n", ":1: a word without numbers"), ("2 3\ngood\n", ":2: a word without numbers"),
            ("good,1,2\nbad,3,4\n", ":1: a word without numbers"), ("good, 1, 2\n", ":1: not a word"),
            ("a 1 2\n\nb 1 nan\n", ":3: a number is not finite"), ("a 1 2\nb 1 -inf\n", ":2: a number is not"),
            ("a 1 1e99\n", ":1: a number is not finite"), ("a\t1\t2\nb\t1\n", ":2: 1 numbers, not 2"),
        ],
    )  # fmt: skip
    def test_a_bad_text_file(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "v.txt"
        path.write_text(text)
        with pytest.raises(DataError, match=words) as caught:
            vectors.read(str(path))
        assert caught.value.hint

    def test_a_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import pyarrow
        from pyarrow import parquet

        data = tmp_path / "some_vectors" / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        np.save(data / "v_emb.npy", np.eye(2, 3, dtype=np.float32))
        parquet.write_table(pyarrow.table({"index": ["good", "film"]}), data / "v_index.parquet")
        monkeypatch.syspath_prepend(tmp_path)
        assert vectors.read("package:some-vectors").words == ("good", "film")

    @pytest.mark.parametrize(
        ("name", "error", "hint"),
        [
            ("no-such-vectors", "the package 'no-such-vectors' is not installed", "pip install no-such-vectors"),
            ("no.such.vectors", "the package 'no.such.vectors' is not installed", "pip install"),
            ("json.decoder.more", "is not installed", "pip install"),
            (".json", "is not installed", "pip install"),
            ("__main__", "is not installed", "pip install"),
            ("", "the package '' is not installed", "a package of vectors holds data/*_emb.npy"),
            ("a\0b", "is not installed", "pip install"),
            ("numpy", "data holds no word vectors that rnnx can read", "a package of vectors holds data/*_emb.npy"),
        ],
    )
    def test_a_package_without_vectors(self, name: str, error: str, hint: str) -> None:
        with pytest.raises(DataError) as caught:
            vectors.read(f"package:{name}")
        assert error in caught.value.message
        assert hint in caught.value.hint

    def test_a_model(self) -> None:
        found = vectors.read("sentiment-lstm")
        model = checkpoint.load("sentiment-lstm")
        index = model.vocabulary.id("film")
        np.testing.assert_array_equal(found.matrix[found.words.index("film")], model.network.embedding[index])

    def test_embeddings_and_filling(self) -> None:
        given = vectors.Vectors(("good", ",", "film", "plot", "new"), np.arange(10, dtype=np.float32).reshape(5, 2))
        words = vectors.filled(Vocabulary((*SPECIAL, "odd", "film")), given, 4)
        assert words.words == (*SPECIAL, "odd", "film", "good", "plot")
        table = vectors.embeddings(words, given, 99, 0.5, seed=0)
        np.testing.assert_array_equal(table[3:], [[2, 2.5], [0, 0.5], [3, 3.5]])
        np.testing.assert_array_equal(table[0], 0)
        np.testing.assert_allclose(table[1], table[2:].mean(0))
        assert np.abs(table[2]).max() > 0


class TestCommand:
    def test_train_then_explain(self, run: Run, config: Path, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        result = run("train", str(config), "-o", str(folder), "--set", "training.epochs=2", "--seed", "3")
        assert result.code == 0, result.err
        assert result.out == ""
        assert "epoch 2: loss" in result.err
        assert f"rnnx explain --model {folder}" in result.err
        lines = [line for line in result.err.splitlines() if line.startswith("epoch ")]
        pattern = r"epoch \d: loss [\d.]+; accuracy [\d.]+%, F1 [\d.]+%, log loss [\d.]+, ECE [\d.]+%(  best)?"
        assert len(lines) == 2
        assert all(re.fullmatch(pattern, line) and len(line) <= 80 for line in lines)
        assert run("explain", "-m", str(folder), "good old film").code == 0

    def test_a_name_that_a_shipped_model_has(
        self, run: Run, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        result = run("train", str(config), "-o", "sentiment-lstm", "--set", "training.epochs=1")
        assert "rnnx explain --model ./sentiment-lstm" in result.err
        assert "(./sentiment-lstm)" in run("explain", "-m", "./sentiment-lstm", "good").out

    def test_the_live_display(self, run: Run, config: Path, tmp_path: Path) -> None:
        result = run("train", str(config), "-o", str(tmp_path / "run"), screen=True)
        assert result.code == 0, result.err
        assert "accuracy" in result.err
        assert "epoch 1: loss" in result.err

    def test_a_trained_model_is_not_overwritten(self, run: Run, config: Path, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        argv = ("train", str(config), "-o", str(folder), "--set", "training.epochs=1")
        assert run(*argv).code == 0
        before = (folder / "model.safetensors").read_bytes()
        refused = run(*argv)
        assert (refused.code, (folder / "model.safetensors").read_bytes()) == (2, before)
        assert "--force" in refused.err
        assert run(*argv, "--force", "--seed", "9").code == 0
        assert (folder / "model.safetensors").read_bytes() != before
