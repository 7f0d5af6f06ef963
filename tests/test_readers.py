"""Files of texts: every format gives the same rows, and a bad row is told and passed over."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rnnx.data.readers import Row, lines, read
from rnnx.errors import DataError

GOOD = [("Good, really.", "positive"), ('a "bad"\none', "negative"), ("电影", "positive")]
FILES = {
    "r.jsonl": '{"text": "Good, really.", "label": "positive"}\n\n{"text": "a \\"bad\\"\\none", "label": "negative"}\n'
    '{"text": "电影", "label": "positive"}\n',
    "r.json": '[{"text": "Good, really.", "label": "positive"}, {"text": "a \\"bad\\"\\none", "label": "negative"},\n'
    '{"text": "电影", "label": "positive"}]',
    "r.csv": 'label,text\npositive,"Good, really."\nnegative,"a ""bad""\none"\npositive,电影\n',
    "r.tsv": 'text\tlabel\nGood, really.\tpositive\n"a ""bad""\none"\tnegative\n电影\tpositive\n',
}


def gather(path: Path, **fields: str) -> tuple[list[Row], list[str]]:
    faults: list[str] = []
    return list(read(path, faults.append, **fields)), faults


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
    rows, _ = gather(path, text="review", label="stars")
    assert rows[0][:2] == ("fine", "4")


def test_a_missing_field_is_said_at_once_with_the_fields_there_are(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("txt,stars\nfine,4\n")
    with pytest.raises(DataError, match=r"r\.csv:1: no column 'text'") as caught:
        gather(path)
    assert "did you mean txt" in caught.value.hint


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt: No such file"):
        gather(tmp_path / "none.txt")


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


def test_an_empty_label_is_no_label(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("".join(f'{{"text": "t", "label": {label}}}\n' for label in ('""', "null", "0", "false", '"x"')))
    assert [row.label for row in gather(path)[0]] == [None, None, "0", "False", "x"]


def test_the_mark_of_utf8_is_not_text() -> None:
    assert [row.text for row in lines(["\ufeffgood\n", "\ufeffbad\n"], "standard input", pytest.fail)] == [
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
    path.write_text('{"text": "lone \\ud800"}\n{"text": ' + "[" * 100_000 + '\n{"text": "good"}\n')
    rows, faults = gather(path)
    assert [row.text for row in rows] == ["good"]
    assert ["not UTF-8" in faults[0], "nested too deeply" in faults[1]] == [True, True]
