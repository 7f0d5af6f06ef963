"""Files of texts: every format gives the same rows, and a bad row is told and passed over."""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rnnx.data import huggingface
from rnnx.data.readers import Ask, Row, checked, entries, lines, read, told
from rnnx.errors import ConfigError, DataError
from rnnx.types import LeftOut

GOOD = [("Good, really.", "positive"), ('a "bad"\none', "negative"), ("电影", "positive")]
FILES = {
    "r.jsonl": '{"text": "Good, really.", "label": "positive"}\n\n{"text": "a \\"bad\\"\\none", "label": "negative"}\n'
    '{"text": "电影", "label": "positive"}\n',
    "r.json": '[{"text": "Good, really.", "label": "positive"}, {"text": "a \\"bad\\"\\none", "label": "negative"},\n'
    '{"text": "电影", "label": "positive"}]',
    "r.csv": 'label,text\npositive,"Good, really."\nnegative,"a ""bad""\none"\npositive,电影\n',
    "r.tsv": 'text\tlabel\nGood, really.\tpositive\n"a ""bad""\none"\tnegative\n电影\tpositive\n',
}


def gather(path: Path, **fields: Any) -> tuple[list[Row], list[str]]:
    faults: list[LeftOut] = []
    return list(read(path, faults.append, **fields)), [str(fault) for fault in faults]


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
@pytest.mark.parametrize("zipped", [False, True], ids=["", "gz"])
@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_rows(name: str, zipped: bool, mark: str, tmp_path: Path) -> None:
    content = (mark + FILES[name]).encode()
    path = tmp_path / (name + ".gz" if zipped else name)
    path.write_bytes(gzip.compress(content) if zipped else content)
    rows, faults = gather(path)
    assert [(row.text, row.label) for row in rows] == GOOD
    assert not faults
    assert all(row.where.startswith(f"{path}:") for row in rows)


def write_parquet(path: Path, columns: dict[str, list[Any]], **settings: Any) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path, **settings)
    return path


class TestParquet:
    def test_it_gives_the_same_rows(self, tmp_path: Path) -> None:
        texts, labels = zip(*GOOD, strict=True)
        path = write_parquet(tmp_path / "r.parquet", {"id": [1, 2, 3], "label": list(labels), "text": list(texts)})
        rows, faults = gather(path)
        assert [(row.text, row.label) for row in rows] == GOOD
        assert [row.where for row in rows] == [f"{path}:row {i}" for i in (1, 2, 3)]
        assert not faults

    def test_it_is_read_a_piece_at_a_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = [f"text {i}" for i in range(5000)]
        path = write_parquet(tmp_path / "r.parquet", {"text": texts, "label": [i % 2 for i in range(5000)]})
        monkeypatch.setattr("rnnx.data.parquet.ROWS", 100)
        rows = read(path, pytest.fail)
        assert next(rows) == Row("text 0", "0", f"{path}:row 1")
        assert [row.text for row in rows] == texts[1:]

    def test_bad_rows_are_told(self, tmp_path: Path) -> None:
        path = write_parquet(tmp_path / "r.parquet", {"text": ["first", None, " ", "last"]})
        rows, faults = gather(path)
        assert [(row.text, row.label) for row in rows] == [("first", None), ("last", None)]
        assert faults == [f"{path}:row {i}: the field 'text' has no text in it" for i in (2, 3)]

    def test_a_text_that_is_not_utf8_costs_one_row(self, tmp_path: Path) -> None:
        import pyarrow

        texts = pyarrow.array([b"first", b"caf\xe9", b"last", b"end"]).cast(pyarrow.binary()).view(pyarrow.string())
        path = write_parquet(tmp_path / "r.parquet", {"text": texts, "label": [1, 0, 1, 0]})
        rows, faults = gather(path)
        assert [(row.text, row.label, row.where) for row in rows] == [
            ("first", "1", f"{path}:row 1"), ("last", "1", f"{path}:row 3"), ("end", "0", f"{path}:row 4"),
        ]  # fmt: skip
        assert faults == [f"{path}:row 2: not UTF-8"]

    def test_a_missing_column_is_an_error(self, tmp_path: Path) -> None:
        path = write_parquet(tmp_path / "r.parquet", {"txt": ["first"], "stars": [1]})
        with pytest.raises(DataError, match=r"r\.parquet: no column 'text'") as caught:
            gather(path)
        assert "known: txt, stars" in caught.value.hint

    @pytest.mark.parametrize(
        "content", [b"", b"no parquet", b"PAR1" + b"x" * 99 + b"PAR1"], ids=["empty", "junk", "cut"]
    )
    def test_what_is_none_is_an_error(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "r.parquet"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"r\.parquet: not a Parquet file"):
            gather(path)
        with pytest.raises(DataError, match=r"none\.parquet: No such file"):
            gather(tmp_path / "none.parquet")

    def test_without_pyarrow_the_error_says_how_to_get_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ConfigError, match="needs pyarrow") as caught:
            gather(tmp_path / "r.parquet")
        assert caught.value.hint == 'pip install "rnnx[parquet]"'


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
class TestFields:
    def write(self, path: Path, columns: dict[str, list[Any]]) -> Path:
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        if path.suffix == ".parquet":
            return write_parquet(path, columns)
        if path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            with path.open("w", newline="") as stream:
                writer = csv.DictWriter(stream, list(columns))
                writer.writeheader()
                writer.writerows(rows)
        return path

    def test_several_are_joined_in_the_order_asked_for(self, name: str, tmp_path: Path) -> None:
        columns = {"body": ["long text", "only", ""], "label": ["x", "y", "z"], "title": ["Short", None, " "]}
        path = self.write(tmp_path / name, columns)
        rows, faults = gather(path, text=("title", "body"))
        assert [(row.text, row.label) for row in rows] == [("Short\nlong text", "x"), ("only", "y")]
        assert rows[0].item == {"title": "Short", "body": "long text"}
        assert list(rows[0].item) == ["title", "body"]
        assert [fault.rpartition(": ")[2] for fault in faults] == ["no text in title, body"]

    def test_one_is_no_mapping(self, name: str, tmp_path: Path) -> None:
        path = self.write(tmp_path / name, {"title": ["Short"], "label": ["x"]})
        (row,), _ = gather(path, text=("title",))
        assert row.item == row.text == "Short"

    def test_a_label_that_must_be_there_and_is_not(self, name: str, tmp_path: Path) -> None:
        path = self.write(tmp_path / name, {"text": ["Short"], "labl": ["x"]})
        try:
            rows, faults = gather(path, labelled=True)
        except DataError as error:
            rows, faults = [], [f"{error.message}; {error.hint}"]
        assert not rows
        assert re.search(r"no (column|field) 'label'; did you mean labl", faults[0])


class TestHuggingFace:
    @pytest.fixture(autouse=True)
    def _own_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    COLUMNS: ClassVar[dict[str, list[Any]]] = {"text": [text for text, _ in GOOD], "label": [1, 0, 1]}

    def rows(self, name: str, folder: Path, split: str = "train") -> list[tuple[str, str | None]]:
        found = huggingface.rows(name, folder, split, ("text", "label"))
        return [(row.text, row.label) for row in told(checked(found, Ask()), pytest.fail)]

    @pytest.fixture
    def saved(self, tmp_path: Path) -> Path:
        import datasets

        features = datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["negative", "positive"])}
        )
        one = datasets.Dataset.from_dict(self.COLUMNS, features=features)
        one.save_to_disk(tmp_path / "one")
        hidden = datasets.Dataset.from_dict({"text": ["hidden"], "label": [-1]}, features=features)
        datasets.DatasetDict({"train": one, "test": hidden}).save_to_disk(tmp_path / "several")
        return tmp_path

    def test_what_was_saved_has_its_classes_by_name(self, saved: Path) -> None:
        assert self.rows("one", saved) == GOOD
        assert self.rows("several", saved) == GOOD
        assert self.rows("several", saved, "test") == [("hidden", None)]
        assert self.rows(str(saved / "one"), Path("elsewhere")) == GOOD

    @pytest.mark.parametrize("name", ["r.parquet", "r.jsonl", "r.csv", "folder"])
    def test_files_that_load_dataset_reads(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        for path in (tmp_path / "r.csv", tmp_path / "folder" / "train.csv"):
            path.write_text(FILES["r.csv"])
        (tmp_path / "r.jsonl").write_text(FILES["r.jsonl"].replace("\n\n", "\n"))
        texts, labels = zip(*GOOD, strict=True)
        write_parquet(tmp_path / "r.parquet", {"text": list(texts), "label": list(labels)})
        assert self.rows(name, tmp_path) == GOOD

    def test_mistakes_are_errors(self, saved: Path) -> None:
        with pytest.raises(DataError, match="no split 'dev'") as caught:
            self.rows("several", saved, "dev")
        assert "test, train" in caught.value.hint
        with pytest.raises(DataError, match="hf:one: no column 'review'") as caught:
            list(huggingface.rows("one", saved, "train", ("review",)))
        assert "choose from text, label" in caught.value.hint
        (saved / "empty").mkdir()
        (saved / "bad.parquet").write_bytes(b"junk")
        for name in ("empty", "bad.parquet"):
            with pytest.raises(DataError, match=f"hf:{name}"):
                self.rows(name, saved)

    def test_without_datasets_the_error_says_how_to_get_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(ConfigError, match="needs datasets") as caught:
            self.rows("some", tmp_path)
        assert caught.value.hint == 'pip install "rnnx[hf]"'


def test_a_text_file_is_a_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_bytes(b"one film\r\n\n  \ntwo, three\n")
    assert gather(path) == ([Row("one film", None, f"{path}:1"), Row("two, three", None, f"{path}:4")], [])


BAD = {
    "r.jsonl": (
        b'{"text": "first"}\n{"text": \n[1]\n{"text": ""}\n{"text": 3}\n{"other": "x"}\n'
        b'{"text": "\xff"}\n{"text": "last"}\n',
        {2: "not JSON", 3: "not an object", 4: "no text", 5: "no text", 6: "no field 'text'", 7: "not UTF-8"},
    ),
    "r.csv": (
        b"text,label\nfirst,a\nonly one column\none,two,three\n ,b\n\xff,c\nlast,d\n",
        {3: "1 columns, not 2", 4: "3 columns, not 2", 5: "no text", 6: "not UTF-8"},
    ),
    "r.txt": (b"first\n\xff\xfe\nlast\n", {2: "not UTF-8"}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_are_told_with_their_line_and_left_out(name: str, tmp_path: Path) -> None:
    content, expected = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    rows, faults = gather(path)
    assert [row.text for row in rows] == ["first", "last"]
    assert len(faults) == len(expected)
    for fault, (line, words) in zip(faults, expected.items(), strict=True):
        assert fault.startswith(f"{path}:{line}: ")
        assert words in fault


def test_other_fields_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("review,stars\nfine,4\n")
    rows, _ = gather(path, text=("review",), label="stars")
    assert rows[0][:2] == ("fine", "4")


def test_a_missing_field_is_said_at_once_with_the_fields_there_are(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("txt,stars\nfine,4\n")
    with pytest.raises(DataError, match=r"r\.csv:1: no column 'text'") as caught:
        gather(path)
    assert "did you mean txt" in caught.value.hint


@pytest.mark.parametrize("name", ["none.txt", "none.csv.gz", "none.jsonl", "none.parquet"])
def test_a_missing_file_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{name}: No such file"):
        gather(tmp_path / name)


@pytest.mark.parametrize("name", ["a\0b.csv", "a\0b.json.gz", "a\0b.parquet", "a\0b", "a\ud800.txt"])
def test_a_name_that_no_file_can_have_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        gather(tmp_path / name)
    assert "check the name" in caught.value.hint


@pytest.mark.parametrize("name", ["r.xlsx", "r.XLS", "r.csv.zip", "r.pdf"])
def test_a_kind_that_is_not_read_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("text,label\nfine,1\n")
    with pytest.raises(DataError, match=f"{name}: rnnx does not read .* files") as caught:
        gather(tmp_path / name)
    assert "save it as one of .csv .json" in caught.value.hint


def test_a_huge_field_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("text\n" + "word " * 100_000 + "\n")
    rows, faults = gather(path)
    assert len(rows[0].text) == 500_000
    assert not faults


@pytest.mark.parametrize("content", [b"no gzip at all", gzip.compress(b"text\n" * 999)[:-30]], ids=["junk", "cut"])
def test_a_damaged_gz_is_an_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.csv.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"r\.csv\.gz"):
        gather(path)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ('""', None), ('" \\t"', None), ("null", None), ("NaN", None), ("Infinity", None),
        ("0", "0"), ("1", "1"), ("1.0", "1"), ("-2.0", "-2"), ("0.5", "0.5"), ("false", "False"),
        ('"x"', "x"), ('" very good "', "very good"), ('"1.0"', "1.0"),
    ],
)  # fmt: skip
def test_labels(label: str, expected: str | None, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(f'{{"text": "t", "label": {label}}}\n')
    rows, faults = gather(path, labelled=True)
    assert [row.label for row in rows] == [expected]
    assert not faults


@pytest.mark.parametrize(("label", "kind"), [('["pos"]', "list"), ("[]", "list"), ('{"name": "pos"}', "dict")])
def test_what_is_no_label_is_a_fault_where_labels_are_asked_for(label: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(f'{{"text": "t", "label": {label}}}\n')
    assert gather(path, labelled=True) == ([], [f"{path}:1: the field 'label' holds no label; it is a {kind}"])
    assert gather(path) == ([Row("t", None, f"{path}:1")], [])


def test_labels_of_a_parquet_file(tmp_path: Path) -> None:
    found = []
    for i, labels in enumerate(([1.0, float("nan"), None, 0.0], [["pos"], [], None, ["neg"]], [b"a", b"b", None, b""])):
        path = write_parquet(tmp_path / f"{i}.parquet", {"text": list("abcd"), "label": labels})
        rows, faults = gather(path, labelled=True)
        found.append(([row.label for row in rows], len(faults)))
    assert found == [(["1", None, None, "0"], 0), ([None], 3), ([None], 3)]


def test_the_mark_of_utf8_is_not_text() -> None:
    assert [row.text for row in told(lines(["\ufeffgood\n", "\ufeffbad\n"], "standard input"), pytest.fail)] == [
        "good",
        "\ufeffbad",
    ]


def test_a_stray_quote_costs_one_row(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    rows = [f"row {i},x\n" for i in range(5000)]
    path.write_text("text,label\nfirst,a\n" + '"never closed,b\n' + "".join(rows) + '"closed,c\nwrong" d,e\nlast,f\n')
    found, faults = gather(path)
    assert [row.text for row in found] == ["first", *(f"row {i}" for i in range(5000)), 'wrong" d', "last"]
    assert [fault.split(":")[1] for fault in faults] == ["3", "5004"]
    assert "opened and not closed" in faults[0]


def test_lines_are_counted_through_quoted_line_breaks_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('\n\ntext,label\n"two\nlines",a\n\nlast,b\n')
    assert [row.where for row in gather(path)[0]] == [f"{path}:4", f"{path}:7"]


def test_a_csv_with_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('label;text\ngood;"so, so; fine"\n')
    assert gather(path)[0][0][:2] == ("so, so; fine", "good")


def test_blanks_around_the_names_of_columns_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(" text , label\nso fine, good \n")
    assert gather(path, labelled=True)[0][0][:2] == ("so fine", "good")


def test_a_column_twice_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("text,text,label\na,b,c\n")
    with pytest.raises(DataError, match="two columns are called 'text'"):
        gather(path)


@pytest.mark.parametrize(
    "content", ["text\n".encode("utf-16"), b"\x89PNG\x00\r\n\x1a\n\x00", b"\x00"], ids=["utf-16", "png", "nul"]
)
def test_what_is_no_text_is_an_error(content: bytes, tmp_path: Path) -> None:
    for name in ("r.csv", "r.txt", "r.png"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match="is not text in UTF-8"):
            gather(path)


def test_odd_json_rows_are_faults(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    long = f'{{"text": "long", "id": {"9" * 5000}}}'
    path.write_text('{"text": "lone \\ud800"}\n{"text": ' + "[" * 100_000 + f'\n{long}\n{{"text": "good"}}\n')
    rows, faults = gather(path)
    assert [row.text for row in rows] == ["good"]
    assert [fault.rpartition(": ")[2] for fault in faults] == [
        "not UTF-8", "nested too deeply", "a number has more digits than Python reads",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "error"),
    [("[" * 100_000, "nested too deeply"), (f"[{'9' * 5000}]", "more digits"), ('[{"text": }]', ":1: not JSON")],
    ids=["deep", "long", "broken"],
)
def test_json_that_cannot_be_read_is_an_error(content: str, error: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(DataError, match=error) as caught:
        gather(path)
    assert ".jsonl file" in caught.value.hint


def test_a_list_of_words_is_a_text_and_marks_are_in_its_words(tmp_path: Path) -> None:
    """Of a text that is a list, spans are of words; of a text, of characters."""
    path, faults = tmp_path / "marked.jsonl", []
    rows = [
        {"tokens": ["not", "a", "good", "film"], "rationale": [[0, 1], [2, 4]]},
        {"tokens": "not a good film", "rationale": [[6, 10]]},
        {"tokens": ["good"], "rationale": [[0, 7]]},
        {"tokens": "dull"},
        {"tokens": "dull", "rationale": "dull"},
        {"tokens": []},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    found = list(told(entries(path, Ask(("tokens",), marks=("reasons", "rationale"))), faults.append))
    assert [row.text for row in found] == ["not a good film", "not a good film", "good", "dull", "dull"]
    marked = [[row.text[a:b] for a, b in row.marks or ()] for row in found]
    assert marked == [["not", "good film"], ["good"], [], [], []]
    assert [row.marks is None for row in found] == [False, False, False, True, True]
    assert [fault.reason for fault in faults] == [
        "the field 'rationale' holds no pairs [start, end]",
        "the field 'tokens' has no text in it",
    ]
