"""Labelled texts from every kind of source: read, split, checked and summed up."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnx.config import Config, Source
from rnnx.errors import ConfigError, DataError, RnnxError, UnknownName
from rnnx.render.corpus import lines
from rnnx.training.corpus import HELD_OUT, Corpus, Labelled, _split, gather, summary
from rnnx.types import Counts

ROWS = [(f"{word} film {i}", label) for label, word in (("no", "bad"), ("yes", "good")) for i in range(10)]


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return path


def read(folder: Path, *, text: dict[str, Any] | None = None, faults: list[str] | None = None, **data: Any) -> Corpus:
    config = Config.model_validate({"data": {"folder": str(folder), **data}, "text": text or {}})
    return gather(config, pytest.fail if faults is None else lambda fault: faults.append(str(fault)))


def pairs(rows: list[Labelled]) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in rows]


def all_of(corpus: Corpus) -> list[tuple[str, str]]:
    parts = [rows for _, rows in corpus.train] + list(corpus.dev.values()) + list(corpus.test.values())
    return sorted(pair for rows in parts for pair in pairs(rows))


class TestSources:
    def test_a_file(self, tmp_path: Path) -> None:
        write(tmp_path / "r.jsonl", ROWS)
        corpus = read(tmp_path, train=["r.jsonl"])
        assert corpus.labels == ("no", "yes")
        assert all_of(corpus) == sorted(ROWS)
        assert corpus.train[0][1][0].tokens[:2] == ("bad", "film")

    @pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
    def test_a_text_file_a_class(self, tmp_path: Path, suffix: str) -> None:
        for label in ("no", "yes"):
            content = "".join(f"{text}\n" for text, own in ROWS if own == label).encode()
            (tmp_path / f"{label}{suffix}").write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
        named = [{"path": f"{label}{suffix}", "label": label} for label in ("no", "yes")]
        assert all_of(read(tmp_path, train=named)) == sorted(ROWS)
        assert all_of(read(tmp_path.parent, train=[tmp_path.name])) == sorted(ROWS)

    @pytest.fixture
    def imdb(self, tmp_path: Path) -> Path:
        """Laid out as the folder aclImdb."""
        for i, (text, label) in enumerate(ROWS):
            folder = tmp_path / "train" / {"no": "neg", "yes": "pos"}[label]
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i}_7.txt").write_text(f"{text}<br /><br />end\n")
        (tmp_path / "train" / "unsup").mkdir()
        for i in range(7):
            (tmp_path / "train" / "unsup" / f"{i}_0.txt").write_text("who knows")
        (tmp_path / "train" / "urls_pos.txt").write_text("http://example.org\n")
        (tmp_path / "train" / "labeledBow.feat").write_bytes(b"\xff\xfe")
        return tmp_path

    def test_a_folder_a_class(self, imdb: Path) -> None:
        faults: list[str] = []
        corpus = read(imdb, train=["train"], labels=["neg", "pos"], faults=faults)
        named = {"no": "neg", "yes": "pos"}
        assert all_of(corpus) == sorted((f"{text}<br /><br />end", named[label]) for text, label in ROWS)
        assert faults == [f"{imdb / 'train' / 'unsup'}: the class 'unsup' is none of data.labels"]
        assert corpus.left_out == {"the class 'unsup' is none of data.labels": 7}
        assert "left out: the class 'unsup' is none of data.labels (7)" in lines(summary(corpus))

    def test_without_labels_every_folder_is_one(self, imdb: Path) -> None:
        assert read(imdb, train=["train"]).labels == ("neg", "pos", "unsup")

    def test_bad_files_of_a_folder_are_told(self, imdb: Path) -> None:
        (imdb / "train" / "neg" / "bad.txt").write_bytes(b"caf\xe9")
        (imdb / "train" / "neg" / "empty.txt").write_bytes(b"\n")
        faults: list[str] = []
        corpus = read(imdb, train=["train"], labels=["neg", "pos"], faults=faults)
        assert [Path(f.partition(": ")[0]).name for f in faults] == ["bad.txt", "empty.txt", "unsup"]
        unsup = "the class 'unsup' is none of data.labels"
        assert corpus.left_out == {unsup: 7, "not UTF-8": 1, "no text in it": 1}

    def test_a_hugging_face_data_set(self, tmp_path: Path) -> None:
        import datasets

        features = datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
        )
        columns = {"text": [text for text, _ in ROWS], "label": [("no", "yes").index(label) for _, label in ROWS]}
        data = datasets.Dataset.from_dict(columns, features=features)
        datasets.DatasetDict({"train": data, "validation": data}).save_to_disk(tmp_path / "saved")
        corpus = read(tmp_path, train=["hf:saved"], dev=[{"path": "hf:saved", "split": "validation"}])
        assert sorted(pairs(corpus.train[0][1])) == sorted(pairs(corpus.dev["hf:saved"])) == sorted(ROWS)
        with pytest.raises(DataError, match="saved is a data set that Hugging Face saved") as caught:
            read(tmp_path.parent, train=[f"{tmp_path.name}/saved"])
        assert caught.value.hint == f"name it hf:{tmp_path.name}/saved"
        assert sorted(pairs(read(tmp_path.parent, train=[caught.value.hint.removeprefix("name it ")]).train[0][1]))

    def test_fields_are_joined(self, tmp_path: Path) -> None:
        rows = [{"body": f"long {i}", "title": "Short", "label": "ab"[i % 2]} for i in range(20)]
        (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        data = {"folder": str(tmp_path), "train": ["r.jsonl"], "text": ["title", "body"]}
        row = gather(Config.model_validate({"data": data}), pytest.fail).train[0][1][0]
        assert row.text == "Short\nlong 0"
        assert row.tokens == ("Short", "long", "0")

    @pytest.mark.parametrize(("tokenizer", "count"), [("words", 2), ("characters", 2), ("jieba", 1)])
    def test_the_tokenizer_is_the_configs(self, tmp_path: Path, tokenizer: str, count: int) -> None:
        write(tmp_path / "r.jsonl", [("\u7535\u5f71", label) for _, label in ROWS])
        corpus = read(tmp_path, train=["r.jsonl"], text={"tokenizer": tokenizer})
        assert len(corpus.train[0][1][0].tokens) == count


class TestSplit:
    @settings(max_examples=60)
    @given(
        counts=st.lists(st.integers(1, 60), min_size=1, max_size=4),
        shares=st.tuples(st.floats(0, 0.45), st.floats(0, 0.45)),
        seed=st.integers(0, 9),
    )
    def test_it_is_stratified_seeded_disjoint_and_loses_nothing(
        self, counts: list[int], shares: tuple[float, float], seed: int
    ) -> None:
        rows = [Labelled((), str(label), f"{label} {i}") for label, n in enumerate(counts) for i in range(n)]
        train = [(Source(path="a"), rows), (Source(path="b"), rows[::2])]
        stays, held_out = _split(train, shares, seed)
        assert (stays, held_out) == _split(train, shares, seed)
        for (_, whole), (_, rest) in zip(train, stays, strict=True):
            assert [row for row in whole if row in set(rest)] == rest  # in their order
        every = [row for _, rest in stays for row in rest] + held_out[0] + held_out[1]
        assert Counter(every) == Counter([row for _, whole in train for row in whole])
        for share, off in zip(shares, held_out, strict=True):
            found = Counter(row.label for row in off)
            expected = {
                str(label): sum(round(share * sum(r.label == str(label) for r in whole)) for _, whole in train)
                for label in range(len(counts))
            }
            assert all(abs(found[label] - n) <= len(train) for label, n in expected.items())

    def test_dev_and_test_are_split_off_where_they_are_not_given(self, tmp_path: Path) -> None:
        write(tmp_path / "r.jsonl", ROWS)
        write(tmp_path / "d.jsonl", ROWS[5:15])
        corpus = read(tmp_path, train=["r.jsonl"], dev_share=0.2, test_share=0.3)
        sizes = [{label: sum(row.label == label for row in rows) for label in corpus.labels}
                 for rows in (corpus.train[0][1], corpus.dev[HELD_OUT], corpus.test[HELD_OUT])]  # fmt: skip
        assert sizes == [{"no": 5, "yes": 5}, {"no": 2, "yes": 2}, {"no": 3, "yes": 3}]
        assert all_of(corpus) == sorted(ROWS)
        given_dev = read(tmp_path, train=["r.jsonl"], dev=["d.jsonl"], test_share=0.5)
        assert pairs(given_dev.dev["d.jsonl"]) == ROWS[5:15]
        assert len(given_dev.train[0][1]) == len(given_dev.test[HELD_OUT]) == 10
        both = read(tmp_path, train=["r.jsonl"], dev=["d.jsonl"], test=["d.jsonl"], test_share=0.5)
        assert pairs(both.train[0][1]) == ROWS

    def test_another_seed_is_another_split(self, tmp_path: Path) -> None:
        write(tmp_path / "r.jsonl", ROWS * 10)
        data = {"folder": str(tmp_path), "train": ["r.jsonl"]}
        a, b = (gather(Config.model_validate({"data": data, "seed": seed}), pytest.fail) for seed in (0, 1))
        assert a.dev != b.dev


def bad_input(folder: Path) -> None:
    write(folder / "good.jsonl", ROWS)
    write(folder / "one.jsonl", ROWS[:1])
    write(folder / "strange.jsonl", [*ROWS, ("odd film", "maybe")])
    write(folder / "blank.jsonl", [(" ", "no"), ("", "yes"), ("<br />", "yes")])
    write(folder / "alike.jsonl", ROWS[:10])
    (folder / "none.jsonl").touch()
    (folder / "columns.csv").write_text("txt,label\na,b\n")
    (folder / "labels.csv").write_text("text,labl\na,b\n")
    (folder / "labels.jsonl").write_text('{"text": "a", "labl": "b"}\n')
    (folder / "latin.csv").write_bytes(b"text,label\ncaf\xe9,no\nth\xe9,yes\n")
    (folder / "utf16.csv").write_bytes("text,label\na,b\n".encode("utf-16"))
    (folder / "lines.txt").write_text("a\nb\n")
    (folder / "folder" / "pos").mkdir(parents=True)
    (folder / "nothing").mkdir()
    (folder / "sets").mkdir()
    for name in ("train.csv", "dev.csv", "a.jsonl", "b.txt", "test.csv.gz"):
        (folder / "sets" / name).write_text("text,label\nfine,yes\n")
    (folder / "lists.jsonl").write_text('{"text": "a", "label": ["b"]}\n')
    (folder / "table.xlsx").write_bytes(b"PK")
    (folder / "page.html").write_text("<p>")


@pytest.mark.parametrize(
    ("data", "error", "hint"),
    [
        ({"train": ["missing.csv"]}, "missing.csv: No such file", "check the name"),
        ({"train": ["nothing"]}, "nothing holds no classes", "a folder of .txt files a class"),
        ({"train": ["folder"]}, "pos: no .txt file in it", "a file each"),
        ({"train": ["columns.csv"]}, "columns.csv:1: no column 'text'", "did you mean txt? (known: txt, label)"),
        ({"train": ["labels.csv"]}, "labels.csv:1: no column 'label'", "did you mean labl? (known: text, labl)"),
        ({"train": ["labels.jsonl"]}, "labels.jsonl: no labelled text in it", "all 1 rows were left out: no field"),
        ({"train": ["latin.csv"]}, "latin.csv: no labelled text in it", "all 2 rows were left out: not UTF-8"),
        ({"train": ["utf16.csv"]}, "utf16.csv is not text in UTF-8", "save it as UTF-8"),
        ({"train": ["lines.txt"]}, "lines.txt is a text a line, without labels", "{path: lines.txt, label: positive}"),
        ({"train": ["none.jsonl"]}, "none.jsonl: no labelled text in it", "it is empty"),
        ({"train": ["blank.jsonl"]}, "blank.jsonl: no labelled text", "the field 'text' has no text in it, no words"),
        ({"train": ["sets"]}, "sets holds data files: a.jsonl, dev.csv, test.csv.gz, …", "as sets/a.jsonl"),
        ({"train": ["lists.jsonl"]}, "lists.jsonl: no labelled text in it", "the field 'label' holds no label"),
        ({"train": ["table.xlsx"]}, "table.xlsx: rnnx does not read .xlsx files", "save it as one of .csv"),
        ({"train": ["page.html"]}, "page.html is a text a line, without labels", "files with labels end in .csv"),
        ({"train": ["a\0b.csv"]}, "a\0b.csv: embedded null byte", "check the name"),
        ({"train": ["a\0b"]}, "a\0b: embedded null byte", "check the name"),
        ({"train": [{"path": "a\0b.txt", "label": "x"}]}, "a\0b.txt: embedded null byte", "check the name"),
        ({"train": ["hf:a\0b"]}, "hf:a\0b", "check the name"),
        ({"train": ["one.jsonl"]}, "all texts have the label 'no'", "at least two labels"),
        ({"train": ["one.jsonl"], "labels": ["no", "yes"]}, "data.dev_share 0.1 leaves no texts to measure", "more"),
        ({"train": ["alike.jsonl"], "labels": ["no", "yes"]}, "to train on has the label 'yes'", "no 9, yes 0"),
        ({"train": ["strange.jsonl"], "labels": ["no", "yes"]}, "strange.jsonl:21: 'maybe'", "choose from no, yes"),
        ({"train": ["good.jsonl"], "dev": ["strange.jsonl"]}, "strange.jsonl:21: 'maybe'", "choose from no, yes"),
        ({"train": ["good.jsonl"], "dev_share": 0.01}, "leaves no texts to measure progress on", "another share"),
        ({"train": ["good.jsonl"], "dev_share": 0.99}, "dev_share 0.99 leaves no texts to train on", "another share"),
        ({"train": ["good.jsonl"], "test_share": 0.01}, "test_share 0.01 leaves no texts to test on", "another share"),
        ({"train": [{"path": "lines.txt", "label": "on"}, "good.jsonl"], "labels": ["no", "yes"]}, "'on'", "no"),
    ],
    ids=str,
)  # fmt: skip
def test_bad_input_is_one_error(tmp_path: Path, data: dict[str, Any], error: str, hint: str) -> None:
    bad_input(tmp_path)
    with pytest.raises((ConfigError, DataError, UnknownName)) as caught:
        read(tmp_path, faults=[], **data)
    assert isinstance(caught.value, RnnxError)
    assert error in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in caught.value.hint


def test_wrong_bytes_say_their_row(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"text,label\ncaf\xe9,no\n" + b"fine,no\nbad,yes\n" * 10)
    faults: list[str] = []
    corpus = read(tmp_path, train=["latin.csv"], faults=faults)
    assert faults == [f"{tmp_path / 'latin.csv'}:2: not UTF-8"]
    assert corpus.left_out == {"not UTF-8": 1}


def test_reasons_are_counted_whatever_the_path_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "my: data (new); all"
    write(folder / "r.jsonl", ROWS)
    with (folder / "r.jsonl").open("a") as stream:
        stream.write('not JSON\n{"text": "x"}\n[1]\n')
    faults: list[str] = []
    corpus = read(folder, train=["r.jsonl"], faults=faults)
    assert faults[0] == f"{folder / 'r.jsonl'}:21: not JSON; expecting value, column 1"
    assert corpus.left_out == {"not JSON": 1, "no field 'label'": 1, "not an object with fields": 1}


def test_equal_words_are_kept_once(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", ROWS)
    words = [word for row in read(tmp_path, train=["r.jsonl"]).train[0][1] for word in row.tokens]
    assert len({id(word) for word in words}) == len(set(words))


def labelled(text: str, label: str) -> Labelled:
    return Labelled(tuple(text.split()), label, text)


def test_the_summary() -> None:
    train = [labelled(text, label) for text, label in (
        ("a good film", "yes"), ("A  good\nFilm", "yes"), ("a good film", "no"), ("bad", "no"), ("a b c d e f", "no"),
    )]  # fmt: skip
    dev = [labelled("a GOOD film", "yes"), labelled("new", "no"), labelled("new", "no")]
    test = [labelled("bad ", "no"), labelled("Bad", "yes")]
    corpus = Corpus(
        ("no", "yes"), [(Source(path="a"), train[:2]), (Source(path="b"), train[2:])], {"d": dev}, {"e": test},
        Counter({"no label": 2, "not JSON": 3}),
    )  # fmt: skip
    found = summary(corpus)
    assert found.parts == {
        "train": Counts(5, {"no": 3, "yes": 2}, 3, 6, 6),
        "dev": Counts(3, {"no": 2, "yes": 1}, 1, 3, 3),
        "test": Counts(2, {"no": 1, "yes": 1}, 1, 1, 1),
    }
    assert found.repeated == {"train": 2, "dev": 1, "test": 1}
    assert found.contradictory == {"train": 1, "dev": 0, "test": 1}
    assert found.in_train == {"dev": 1, "test": 2}
    assert list(found.left_out.items()) == [("not JSON", 3), ("no label", 2)]
    assert all(len(line) <= 80 for line in lines(found))
    assert "test" not in summary(Corpus(("no", "yes"), corpus.train, corpus.dev, {})).parts
