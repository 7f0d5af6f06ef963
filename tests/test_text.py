"""Tokens with exact offsets, and words to ids."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnx.errors import ConfigError, DataError
from rnnx.text import fields, tokenizer
from rnnx.text.tokenizer import TOKENIZERS, characters, words
from rnnx.text.vocabulary import PAD, SPECIAL, UNKNOWN, Vocabulary, build
from rnnx.training import vectors

THUMB, FLAG = "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea"
HINDI = "\u0939\u093f\u0928\u094d\u0926\u0940 \u0634\u064e\u0631"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't like it.", "I do n't like it ."),
        ("can\u2019t, won't, ISN'T", "ca n\u2019t , wo n't , IS N'T"),
        ("it's they're we'd I'm you've she'll", "it 's they 're we 'd I 'm you 've she 'll"),
        ("do n't it 's", "do n't it 's"),
        ("o'clock rock'n'roll dogs' 'em", "o'clock rock'n'roll dogs ' ' em"),
        ("well-made", "well - made"),
        ("good... really?! bad!!!", "good ... really ? ! bad !!!"),
        ("8/10, 3.5 stars, 10,000", "8/10 , 3.5 stars , 10,000"),
        ("mp3 U.S. 1080p", "mp3 U.S. 1080 p"),
        ("one<br />two<BR>three", "one two three"),
        (":) :-( ;D <3 =/ 10:30 a:b", ":) :-( ;D <3 =/ 10:30 a : b"),
        ("nice:) bad:(( fine:D 4:) cast:(Tom) so:/no x=(y) \u7535:)\u5f71",
         "nice :) bad :(( fine :D 4 : ) cast : ( Tom ) so : / no x = ( y ) \u7535 :) \u5f71"),
        ("see https://x.org/a?b=1,2 now", "see https://x.org/a?b=1,2 now"),
        ("http://x.org. (www.a.com/b) 'https://x.org/a/?!'", "http://x.org . ( www.a.com/b ) ' https://x.org/a/ ? ! '"),
        ("http://x.org/a_(b), (see http://x.org/a_(b)): [http://x.org]",
         "http://x.org/a_(b) , ( see http://x.org/a_(b) ) : [ http://x.org ]"),
        ("http://x.org\uff0c\u597d http://x.org:) http:// www.",
         "http://x.org \uff0c \u597d http://x.org :) http :// www ."),
        ("AT&amp;T &#8217; &#x2019; &lt;b&gt; R&B; a & b", "AT &amp; T &#8217; &#x2019; &lt; b &gt; R & B ; a & b"),
        ("<P>a <i>b</i><h1 >c</h1><hr/> <sigh> <3 a<b>c a<i", "a b c < sigh > <3 a c a < i"),
        (f"{THUMB}{FAMILY}{FLAG}", f"{THUMB} {FAMILY} {FLAG}"),
        ("\u7535\u5f71\u5f88\u597d\uff01", "\u7535 \u5f71 \u5f88 \u597d \uff01"),
        ("cafe\u0301 na\u00efve", "cafe\u0301 na\u00efve"),
        ("so\u00adft a\u200bb \u202eevil\u202c", "so\u00adft a b evil"),
        (HINDI, HINDI),
        ("1\ufe0f\u20e3 \u00a9\ufe0f \u2764\ufe0f", "1\ufe0f\u20e3 \u00a9\ufe0f \u2764\ufe0f"),
        ("_title_", "_ title _"),
        ("", ""),
        (" \n\t ", ""),
    ],
)  # fmt: skip
def test_words(text: str, expected: str) -> None:
    assert [token.text for token in words(text)] == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't!", "d o n ' t !"),
        ("cafe\u0301 na\u00efve", "c a f e\u0301 n a \u00ef v e"),
        (f"{THUMB}{FAMILY}{FLAG}1\ufe0f\u20e3", f"{THUMB} {FAMILY} {FLAG} 1\ufe0f\u20e3"),
        ("\u7535\u5f71\u3000\u5f88\u597d\uff01", "\u7535 \u5f71 \u5f88 \u597d \uff01"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f \u0928\u094d \u0926\u0940"),
        ("a<br />b\u200bc <i>d</i>&lt;", "a b c d & l t ;"),
        (" \n", ""),
    ],
)  # fmt: skip
def test_characters(text: str, expected: str) -> None:
    assert [token.text for token in characters(text)] == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u4e0d\u597d\u770b\u7684\u7535\u5f71\uff0c", "\u4e0d \u597d\u770b \u7684 \u7535\u5f71 \uff0c"),
        ("\u7535\u5f71don't", "\u7535\u5f71 do n't"),
        ("iPhone15\u5f88\u597d 3.5\u5206", "iPhone15 \u5f88 \u597d 3.5 \u5206"),
        ("\u7535\u5f71\n\u7535\u5f71", "\u7535\u5f71 \u7535\u5f71"),
        (f"\u7535\u5f71{THUMB}cafe\u0301", f"\u7535\u5f71 {THUMB} cafe\u0301"),
    ],
)  # fmt: skip
def test_jieba(text: str, expected: str) -> None:
    assert [token.text for token in tokenizer.jieba(text)] == expected.split()


def test_jieba_is_quiet_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tokenizer._jieba.cache_clear()
    with caplog.at_level(logging.DEBUG):
        tokenizer.jieba("\u7535\u5f71")
    assert not caplog.records
    assert not list(tmp_path.iterdir())


def test_without_jieba_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    tokenizer._jieba.cache_clear()
    with pytest.raises(ConfigError, match="jieba is not installed") as caught:
        tokenizer.jieba("\u7535\u5f71")
    assert caught.value.hint == 'pip install "rnnx[chinese]"'


PIECES = (
    "don't", " ", "\n", "<br/>", "\u7535\u5f71", "\u4e0d\u597d\u770b", "!!", THUMB, FAMILY, FLAG,
    "e\u0301", HINDI, "\x1b[31m", "\x00", "a1", ":-)", "'", "\u200b", "\u200d", "\ufe0f", "\u00ad",
    "\U000e0100", "https://x.org/\u7535", "\ud800", "www.", "(", ")", ".", ":(", "a",
    "<i>", "</p >", "&amp;", "&#8217;",
)  # fmt: skip
ANY_TEXT = st.text() | st.lists(st.sampled_from(PIECES) | st.characters()).map("".join)
TAGS = "</?(?:b|big|blockquote|br|center|div|em|font|h[1-6]|hr|i|li|ol|p|s|small|span|strong|sub|sup|u|ul)\\s*/?>"
UNSEEN = re.compile(TAGS + "|[\\s\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", re.IGNORECASE)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=300)
@given(text=ANY_TEXT)
def test_offsets_are_exact_and_all_that_can_be_seen_is_in_a_token(name: str, text: str) -> None:
    at = 0
    for token in TOKENIZERS[name](text):
        assert text[token.start : token.end] == token.text != ""
        assert not UNSEEN.sub("", text[at : token.start])
        assert UNSEEN.sub("", token.text)
        at = token.end
    assert not UNSEEN.sub("", text[at:])


class TestFields:
    def test_tokens_know_their_field_and_stand_in_the_joined_text(self) -> None:
        item = {"title": "So good", "note": " ", "body": "not bad"}
        text, tokens = fields.tokenize(item, words, tuple(item))
        assert text == "So good\nnot bad"
        assert [(t.text, t.field) for t in tokens] == [
            ("So", "title"),
            ("good", "title"),
            ("not", "body"),
            ("bad", "body"),
        ]

    def test_a_text_without_fields_stays_as_it_is(self) -> None:
        assert fields.tokenize("not bad", words, ("title",)) == ("not bad", words("not bad"))

    @pytest.mark.parametrize(
        ("order", "text"), [(("title", "body"), "t\nb"), (("body", "title"), "b\nt"), (("body",), "b")]
    )
    def test_those_of_the_model_are_read_and_no_other(self, order: tuple[str, ...], text: str) -> None:
        item = {"body": "b", "label": "positive", "id": "7", "title": "t"}
        assert fields.tokenize(item, words, order)[0] == text

    def test_one_is_as_a_text_without_fields(self) -> None:
        assert fields.tokenize({"text": " so good", "label": "x"}, words, ("text",)) == (" so good", words(" so good"))

    def test_one_that_is_missing_is_never_made_up_for(self) -> None:
        with pytest.raises(KeyError, match="headline"):
            fields.tokenize({"body": "b", "title": "t"}, words, ("headline", "body"))

    @given(item=st.dictionaries(st.sampled_from("abc"), ANY_TEXT))
    def test_offsets_are_exact(self, item: dict[str, str]) -> None:
        text, tokens = fields.tokenize(item, words, tuple(item))
        at = 0
        for token in tokens:
            assert text[token.start : token.end] == token.text
            assert token.start >= at
            at = token.end
        assert [t.text for t in tokens] == [t.text for part in item.values() for t in words(part)]


VOCABULARY = Vocabulary((*SPECIAL, "so", "good", "n't", "cool"))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("good", "good"), ("GOOD", "good"), ("N\u2019T", "n't"), ("go\u00adod", "good"), ("sooooo", "so"),
        ("coooool", "cool"),        ("goood", "good"), ("bad", "<unk>"), ("aaaa", "<unk>"), ("<pad>", "<unk>"),
    ],
)  # fmt: skip
def test_lookup(word: str, expected: str) -> None:
    assert VOCABULARY.words[VOCABULARY.id(word)] == expected


def test_case_counts_where_it_is_kept() -> None:
    cased = Vocabulary((*SPECIAL, "Good"), lowercase=False)
    assert cased.id("good") == UNKNOWN
    assert cased.id("Good") == 2


def test_build_takes_the_most_frequent_words() -> None:
    texts = [line.split() for line in ("b a a", "A c b", "d <unk>")]
    assert build(texts, size=10, min_count=2, lowercase=True).words == (*SPECIAL, "a", "b")
    assert build(texts, size=1, min_count=1, lowercase=True).words == (*SPECIAL, "a")
    assert build(texts, size=10, min_count=1, lowercase=False).words == (*SPECIAL, "a", "b", "A", "c", "d")
    assert (PAD, UNKNOWN) == (0, 1)


class TestVectorFiles:
    MATRIX = np.array([[1, 2, 3], [-1, 0, 0.5]])

    def write(self, folder: Path, words: str, matrix: NDArray[Any]) -> str:
        np.save(folder / "v.npy", matrix)
        (folder / "v.txt").write_text(words, "utf-8")
        return str(folder / "v.npy")

    @pytest.mark.parametrize("kind", [np.float16, np.float64, np.int32])
    def test_an_array_with_its_words_beside_it(self, tmp_path: Path, kind: type) -> None:
        found = vectors.read(self.write(tmp_path, "good\n\u7535\u5f71\n", self.MATRIX.astype(kind)))
        assert found.words == ("good", "\u7535\u5f71")
        table = vectors.embeddings(Vocabulary((*SPECIAL, "\u7535\u5f71", "new")), found, 99, 2.0, seed=0)
        np.testing.assert_array_equal(table[2], 2 * self.MATRIX[1].astype(kind))
        assert table.dtype == np.float32

    @pytest.mark.parametrize(
        ("words", "matrix", "error"),
        [
            ("good\n", MATRIX, "has 2 vectors, but .*v.txt 1 words"),
            ("good\nbad\n", MATRIX[0], "its shape is"),
            ("good\nbad\n", np.array([["a"], ["b"]]), "not numbers"),
            ("good\nbad\n", np.array([[{}], [None]]), "not an array that numpy saved"),
            ("good\nbad\n", np.zeros((2, 0)), "v.npy: "),
            ("", np.zeros((0, 3)), "v.npy: "),
            ("good\nbad\n", MATRIX + 1j, "of complex128, not numbers"),
            ("good\nbad\n", MATRIX > 0, "of bool, not numbers"),
            ("good\nbad\n", MATRIX[None], "its shape is"),
        ],
    )
    def test_what_does_not_fit_is_an_error(self, tmp_path: Path, words: str, matrix: NDArray[Any], error: str) -> None:
        with pytest.raises(DataError, match=error) as caught:
            vectors.read(self.write(tmp_path, words, matrix))
        assert caught.value.hint

    def test_what_is_missing_is_an_error(self, tmp_path: Path) -> None:
        for name in ("none.npy", "none.txt", "a\0b.npy", "a\0b.txt"):
            with pytest.raises(DataError, match=r"none.*: No such file|a\0b") as caught:
                vectors.read(str(tmp_path / name))
            assert name.startswith("a") or "check the name" in caught.value.hint
        np.save(tmp_path / "alone.npy", self.MATRIX)
        with pytest.raises(DataError, match=r"alone\.txt: No such file"):
            vectors.read(str(tmp_path / "alone.npy"))
        (tmp_path / "junk.npy").write_bytes(b"junk")
        with pytest.raises(DataError, match="not an array"):
            vectors.read(str(tmp_path / "junk.npy"))

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("good 1 2 3\n. . . -1 0 .5\n", ("good", ". . .")),
            ("good\t1\t2\t3\nnot bad\t-1\t0\t.5\n", ("good", "not bad")),
            ("2\t3\ngood\t1 2 3 \nbad\t-1 0 .5 \n", ("good", "bad")),
            ("\n2 3\n", ("2",)),
            ("good 1\nbad 2\n", ("good", "bad")),
            ("good 1 2 3\n\n  \n\xa0 -1 0 .5\n\n", ("good", "\xa0")),
        ],
    )  # fmt: skip
    def test_words_and_their_numbers(self, tmp_path: Path, content: str, words: tuple[str, ...]) -> None:
        (tmp_path / "v.txt").write_text(content)
        found = vectors.read(str(tmp_path / "v.txt"))
        assert found.words == words
        assert len(found.matrix) == len(words)
