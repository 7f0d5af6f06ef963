"""Tokens with exact offsets, and words to ids."""

from __future__ import annotations

import random

import pytest

from rnnx.text.tokenizer import words
from rnnx.text.vocabulary import PAD, SPECIAL, UNKNOWN, Vocabulary, build
from rnnx.types import Token

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
        ("see https://x.org/a?b=1,2 now", "see https://x.org/a?b=1,2 now"),
        (f"{THUMB}{FAMILY}{FLAG}", f"{THUMB} {FAMILY} {FLAG}"),
        ("\u7535\u5f71\u5f88\u597d\uff01", "\u7535 \u5f71 \u5f88 \u597d \uff01"),
        ("cafe\u0301 na\u00efve", "cafe\u0301 na\u00efve"),
        ("so\u00adft a\u200bb \u202eevil\u202c", "so\u00adft a b evil"),
        (HINDI, HINDI),
        ("1\ufe0f\u20e3 \u00a9\ufe0f \u2764\ufe0f", "1\ufe0f\u20e3 \u00a9\ufe0f \u2764\ufe0f"),
        ("_title_ <i>x</i>", "_ title _ < i > x < / i >"),
        ("", ""),
        (" \n\t ", ""),
    ],
)  # fmt: skip
def test_words(text: str, expected: str) -> None:
    assert [token.text for token in words(text)] == expected.split()


def test_offsets_are_exact_and_nothing_but_white_space_is_left_out() -> None:
    rng = random.Random(0)
    pieces = [
        "don't",
        " ",
        "\n",
        "<br/>",
        "\u7535",
        "!!",
        "\U0001f600",
        "e\u0301",
        "\x1b[31m",
        "\x00",
        "a1",
        ":-)",
        "'",
        "\u200b",
    ]
    for _ in range(500):
        text = "".join(rng.choices(pieces, k=12))
        at = 0
        for token in words(text):
            assert text[token.start : token.end] == token.text != ""
            assert text[at : token.start].replace("<br/>", "").strip(" \n\u200b") == ""
            at = token.end


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
    texts = [[Token(word, 0, 0) for word in line.split()] for line in ("b a a", "A c b", "d <unk>")]
    assert build(texts, size=10, min_count=2, lowercase=True).words == (*SPECIAL, "a", "b")
    assert build(texts, size=1, min_count=1, lowercase=True).words == (*SPECIAL, "a")
    assert build(texts, size=10, min_count=1, lowercase=False).words == (*SPECIAL, "a", "b", "A", "c", "d")
    assert (PAD, UNKNOWN) == (0, 1)
