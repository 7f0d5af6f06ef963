"""What explanations look like: in colour, without, in a narrow and in a wide terminal, for any text."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from rnnx.data.rows import Row
from rnnx.render import corpus, formats, palette, phrases, picture, plain
from rnnx.render.curve import curve
from rnnx.render.tables import Long
from rnnx.render.text import number, percent, signed, visible
from rnnx.render.writers import Record
from rnnx.render.writers import Style as Written
from rnnx.text import fields
from rnnx.text.tokenizer import words
from rnnx.types import Attribution, Counts, Explanation, Item, Phrase, Phrases, Prediction, Summary, Trace

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def explanation(
    item: Item = "not bad at all", scores: tuple[float, ...] = (0.5, -1.0, 0.05, 0.4), *, sign: bool = True
) -> Explanation:
    text, tokens = fields.tokenize(item, words, tuple(item))
    return Explanation(
        text=text,
        tokens=tokens,
        prediction=Prediction("positive", 0.9, {"negative": 0.1, "positive": 0.9}, (2.2,)),
        target="positive",
        method="grad-x-input",
        settings={"of": "logit"},
        seed=0,
        evidence=Attribution(scores, sign),
        diagnostics={"unknown_tokens": []},
        model="some-model",
    )


def draw(
    e: Explanation, width: int = 80, *, colour: bool = True, background: str = "dark", no_color: bool = False
) -> str:
    stream = io.StringIO()
    system = "truecolor" if colour else None
    console = Console(file=stream, width=width, force_terminal=colour, color_system=system, no_color=no_color)  # type: ignore[arg-type]
    picture.show(console, e, background)
    return stream.getvalue()


def look(drawn: str, token: str) -> str:
    """The escape codes in front of a token."""
    found = re.search(rf"\x1b\[([0-9;]*)m{token}\x1b", drawn)
    return found[1] if found else ""


class TestPicture:
    @pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
    @pytest.mark.parametrize(
        "text",
        [
            "word",
            "电影很好看 👍🏽👨\u200d👩\u200d👧 really",
            "long " * 400,
            "x" * 300,
            "two\nlines\tand a tab",
            "e\u0301" * 90,
        ],
        ids=["one", "wide", "400", "unbroken", "lines", "combining"],
    )
    def test_every_line_fits(self, text: str, width: int) -> None:
        tokens = words(text)
        e = explanation(text, tuple((-1) ** i * (i % 7) / 7 for i in range(len(tokens))))
        for line in ESCAPE.sub("", draw(e, width)).splitlines():
            assert cell_len(line) <= width

    def test_the_text_stands_there_as_it_was_written(self) -> None:
        drawn = ESCAPE.sub("", draw(explanation("Not   bad,at all", (0.5, -1.0, 0.05, 0.4, 0.1))))
        assert "Not   bad,at all" in drawn

    def test_for_is_bold_and_against_underlined(self) -> None:
        drawn = draw(explanation())
        assert "1" in look(drawn, "not").split(";")
        assert "4" in look(drawn, "bad").split(";")
        assert look(drawn, "at") == ""

    def test_meaning_survives_without_colour(self) -> None:
        drawn = draw(explanation(), no_color=True)
        assert look(drawn, "not") == "1"
        assert look(drawn, "bad") == "4"
        assert "bad −1.00" in ESCAPE.sub("", drawn)

    def test_unsigned_scores_never_wear_for_and_against(self) -> None:
        drawn = draw(explanation(scores=(0.5, 1.0, 0.05, 0.4), sign=False))
        for colour in (palette.FOR, palette.AGAINST):
            assert ";".join(map(str, colour)) not in drawn
        assert "against" not in drawn

    def test_without_any_style_the_text_has_marks(self) -> None:
        drawn = draw(explanation(), colour=False)
        assert "\x1b" not in drawn
        assert "{+not+} [--bad--] at {+all+}" in drawn

    def test_lines_end_without_blanks(self) -> None:
        for colour in (True, False):
            drawn = ESCAPE.sub("", draw(explanation(), colour=colour))
            assert all(line == line.rstrip() for line in drawn.splitlines())

    def test_punctuation_stands_in_quotes(self) -> None:
        drawn = ESCAPE.sub("", draw(explanation("bad !", (-1.0, 0.9))))
        assert "for      \u201c!\u201d +0.90" in drawn

    def test_certainty_is_not_overstated(self) -> None:
        assert [percent(p) for p in (1.0, 0.99999, 0.5, 0.00001, 0.0)] == ["100.0%", ">99.9%", "50.0%", "<0.1%", "0.0%"]

    def test_all_scores_zero(self) -> None:
        assert "nothing" in draw(explanation(scores=(0.0, 0.0, 0.0, 0.0)))

    def test_another_target_and_unknown_words_are_noted(self) -> None:
        e = explanation()
        data = {**e.to_dict(), "target": "negative", "diagnostics": {"unknown_tokens": [1, 3]}}
        drawn = ESCAPE.sub("", draw(Explanation.from_dict(data)))
        assert "explained is negative" in drawn
        assert "does not know 2 of 4 tokens: bad, all" in drawn

    def test_a_trace_has_a_row_a_token_and_says_what_the_columns_mean(self) -> None:
        columns = {"dy/dh_T": (2.0,) * 4, "dy/dh_t": (0.1, 0.5, 1.0, 2.0), "dy/dx_t": (0.0, 1e-5, 3.0, 1.0)}
        e = Explanation.from_dict(
            {**explanation().to_dict(), "evidence": {"kind": "trace", "view": "chain", "columns": columns}}
        )
        drawn = ESCAPE.sub("", draw(e))
        for token in e.tokens:
            assert re.search(rf"^ *{token.text} +2\.00", drawn, re.MULTILINE)
        assert "the whole gradient" in drawn
        assert all(cell_len(line) <= 80 for line in drawn.splitlines())

    @pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
    def test_a_trace_fits_and_keeps_its_last_column(self, width: int) -> None:
        columns = dict.fromkeys(("dy/dh_T", "dy/dh_t", "dy/dc_t", "dh_t/dx_t", "dy/dx_t"), (2.0, 1e-05, 123.4, 0.5))
        evidence = {"kind": "trace", "view": "chain", "columns": columns}
        e = Explanation.from_dict({**explanation().to_dict(), "evidence": evidence})
        drawn = ESCAPE.sub("", draw(e, width))
        assert all(cell_len(line) <= width for line in drawn.splitlines())
        assert "123.40" in drawn
        assert "dy/dx_t" in drawn.splitlines()[2] + drawn.splitlines()[3] + drawn.splitlines()[4]


SCORES: dict[tuple[int, int], tuple[float, float]] = {  # of a tree over "not bad at all"
    (0, 1): (-0.4, 0.0), (1, 2): (-2.0, 0.0), (2, 3): (0.01, 0.0), (3, 4): (0.02, 0.0),
    (0, 2): (0.5, 2.9), (2, 4): (0.02, -0.01), (0, 4): (0.8, 0.28),
}  # fmt: skip


def tree(item: Item = "not bad at all", view: str = "hierarchy") -> Explanation:
    spans = tuple(Phrase(*place, *numbers) for place, numbers in SCORES.items())
    return replace(explanation(item), method="cd", settings={}, evidence=Phrases(view, spans))


def pair(text: str = "not bad at all") -> Explanation:
    """The first word, and what begins with the third."""
    e, settings = explanation(text), {"first": "\x1b[2J"}
    spans = Phrase(0, 1, 0.4, 1.25), Phrase(2, len(e.tokens), -0.5, 1.25)
    return replace(e, method="cd", settings=settings, evidence=Phrases("interaction", spans))


def long_tree(tokens: int, *, chain: bool) -> Explanation:
    """Every second token speaks; joined from the left, or in pairs of pairs."""
    groups = [Phrase(i, i + 1, (-1.0) ** (i // 2) * (i % 2), 0.0) for i in range(tokens)]
    spans = list(groups)
    while len(groups) > 1:
        for at in [0] if chain else reversed(range(0, len(groups) - 1, 2)):
            a, b = groups[at : at + 2]
            groups[at : at + 2] = [Phrase(a.start, b.stop, a.score + b.score + 0.3, 0.3)]
            spans.append(groups[at])
    text = " ".join(f"电影{'word' * (i % 3)}" for i in range(tokens // 2 + 1))
    e = explanation(text, (0.0,) * len(words(text)))
    assert len(e.tokens) >= tokens
    return replace(e, evidence=Phrases("hierarchy", tuple(spans)))


class TestPhrases:
    def test_a_tree_shows_parts_below_the_whole(self) -> None:
        lines = [line.rstrip() for line in ESCAPE.sub("", draw(tree())).splitlines()]
        assert lines[2:9] == [
            "     score  interaction",
            "     +0.80        +0.28  not bad at all",
            "     +0.50        +2.90  \u251c not bad",
            "     \u22120.40               \u2502 \u251c not",
            "     \u22122.00               \u2502 \u2514 bad",
            "     +0.02        \u22120.01  \u2514 at all",  # nothing in it is strong
            "",
        ]
        assert "phrases in which nothing is strong" in " ".join(lines)

    def test_a_phrase_is_for_where_its_word_is_against(self) -> None:
        drawn = draw(tree())
        assert look(drawn, "not bad").startswith("38;2")
        assert "4" in look(drawn, "bad").split(";")
        assert "4" not in look(drawn, "not bad").split(";")

    @pytest.mark.parametrize("width", [12, 20, 30, 40, 80, 120])
    @pytest.mark.parametrize("chain", [True, False])
    @pytest.mark.parametrize("tokens", [1, 2, 30, 200])
    def test_every_line_fits(self, tokens: int, chain: bool, width: int) -> None:
        for e in (long_tree(tokens, chain=chain), tree(), tree(view="phrases"), pair("电影 " * (tokens + 2))):
            for line in ESCAPE.sub("", draw(e, width)).splitlines():
                assert cell_len(line) <= width

    @pytest.mark.parametrize("tokens", [4, 400])
    def test_a_long_tree_leaves_out_steps_in_which_nothing_happens(self, tokens: int) -> None:
        spans = [Phrase(i, i + 1, 1.0 * (i == 2), 0.0) for i in range(tokens)]
        spans += [Phrase(0, i, 1.0 * (i > 2), 0.0) for i in range(2, tokens + 1)]
        rows = list(phrases.rows(Phrases("hierarchy", tuple(spans))))
        assert len(rows) == (2 * tokens - 1 - 2 if tokens == 4 else 2)
        assert (rows[0].phrase, rows[-1 if tokens > 4 else 3].phrase.start) == (spans[-1], 2)

    def test_of_many_parts_those_that_matter_are_shown(self) -> None:
        spans = [Phrase(i, i + 1, float(i in (1, 3)), 0.0) for i in range(5)]
        rows = list(phrases.rows(Phrases("hierarchy", (*spans, Phrase(0, 5, 2.0, 0.0)))))
        assert [(row.guide, row.phrase.start) for row in rows] == [("", 0), ("\u251c ", 1), ("\u2514 ", 3)]

    def test_a_list_has_phrases_and_never_tokens_only(self) -> None:
        e = tree(view="phrases")
        assert isinstance(e.evidence, Phrases)
        listed = {name: [(s.start, s.stop) for s in found] for name, found in phrases.strongest(e.evidence)}
        assert listed == {"for": [(0, 4)], "against": [], "together": [(0, 2)]}
        lines = [line.rstrip() for line in ESCAPE.sub("", draw(e)).splitlines()]
        assert lines[2] == "  not bad at all"
        assert lines[5:8] == [
            "  for         +0.80        +0.28  not bad at all",
            "  against                         nothing",
            "  together    +0.50        +2.90  not bad",
        ]

    @pytest.mark.parametrize("text", ["good", "not good"])
    def test_without_longer_phrases_the_tokens_are_listed(self, text: str) -> None:
        spans = tuple(Phrase(i, i + 1, [0.5, -2.0][i], 0.0) for i in range(len(words(text))))
        e = replace(explanation(text), evidence=Phrases("phrases", spans))
        against = "against: good \u22122.00" if len(spans) == 2 else "against: nothing"
        assert list(plain.lines(e))[2:4] == [f"for: {text.split()[0]} +0.50", against]
        drawn = ESCAPE.sub("", draw(e))
        assert "+0.50  " + text.split()[0] in drawn
        assert "together" not in drawn + "".join(plain.lines(e))
        assert "interaction" not in drawn
        tree = replace(e, evidence=Phrases("hierarchy", spans[:1]))
        assert "interaction" not in ESCAPE.sub("", draw(tree))

    @pytest.mark.parametrize("chain", [True, False])
    def test_plain_shows_the_ends_of_long_phrases(self, chain: bool) -> None:
        """Otherwise a tree of n tokens would print up to the square of n of them."""
        e = long_tree(400, chain=chain)
        _, whole, *rows = [line.rpartition("\t")[2] for line in plain.lines(e) if "\t" in line]
        assert whole == e.text[: e.tokens[399].end]
        assert all(len(words(row)) <= 13 for row in rows)
        long = [row for row in rows if "\u2026" in row]
        assert long
        assert all(len(words(part)) == 5 for row in long for part in row.split(" \u2026 "))

    def test_of_two_that_say_as_much_the_shorter_is_listed(self) -> None:
        spans = (Phrase(0, 4, 2.0, 0.0), Phrase(1, 3, 1.95, 0.0), Phrase(1, 4, 1.99, 0.0), Phrase(2, 4, 1.0, 0.0))
        listed = dict(phrases.strongest(Phrases("phrases", spans)))
        assert listed["for"] == [spans[1]]

    def test_plain(self) -> None:
        assert list(plain.lines(tree())) == [
            "positive 90.0% (some-model)",
            "score\tinteraction\tphrase",
            "+0.80\t+0.28\tnot bad at all",
            "+0.50\t+2.90\t  not bad",
            "\u22120.40\t\t    not",
            "\u22122.00\t\t    bad",
            "+0.02\t\u22120.01\t  at all",
            "method: cd \u00b7 view hierarchy",
        ]
        assert list(plain.lines(tree(view="phrases")))[1:5] == [
            "not [--bad--] at all",
            "for: not bad at all +0.80 (interaction +0.28)",
            "against: nothing",
            "together: not bad +0.50 (interaction +2.90)",
        ]

    def test_two_phrases_and_their_sum(self) -> None:
        e = pair()
        lines = [line.rstrip() for line in ESCAPE.sub("", draw(e)).splitlines()]
        assert lines[2:8] == [
            "  not bad at all",
            "",
            "                score",
            "  first         +0.40  not",
            "  second        \u22120.50  at all",
            "  interaction   +1.25  what the two say together beyond that",
        ]
        assert lines[8].startswith("  together      +1.15  the sum")
        assert list(plain.lines(e))[1:] == [
            "{++not++} bad [--at--] [--all--]",
            "first: not +0.40",
            "second: at all \u22120.50",
            "interaction: +1.25",
            "together: +1.15",
            "method: cd \u00b7 view interaction \u00b7 first=\u241b[2J",
        ]

    def test_fields_are_named_where_they_begin(self) -> None:
        drawn = ESCAPE.sub("", draw(tree({"title": "not bad", "body": "at all"})))
        assert "title: not bad body: at all" in drawn
        assert "\u2514 body: at all" in drawn

    def test_csv_is_a_row_a_phrase(self) -> None:
        rows = table(tree())
        assert [(r["position"], r["tokens"], r["phrase"], r["score"], r["interaction"]) for r in rows[3:6]] == [
            ("3", "1", "all", "0.02", "0.0"),
            ("0", "2", "not bad", "0.5", "2.9"),
            ("2", "2", "at all", "0.02", "-0.01"),
        ]
        assert all(r["phrase"] == "not bad at all"[int(r["start"]) : int(r["end"])] for r in rows)

    def test_hostile_text_is_shown(self) -> None:
        tokens = words(HOSTILE)
        spans = (*(Phrase(i, i + 1, 1.0, 0.0) for i in range(len(tokens))), Phrase(0, len(tokens), 1.0, 0.5))
        for view, chosen in (("phrases", spans), ("hierarchy", spans[:1])):
            e = replace(explanation(HOSTILE, (0.0,) * len(tokens)), evidence=Phrases(view, chosen))
            for drawn in (draw(e, 200, colour=False), "\n".join(plain.lines(e))):
                assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", drawn)

    def test_what_tokens_do_together_is_noted(self) -> None:
        e = replace(explanation(), diagnostics={"interactions": 2.0})
        assert "note: the tokens alone make \u22120.05 of +1.95" in "\n".join(plain.lines(e))


class TestFields:
    ITEM: ClassVar[dict[str, str]] = {"title": "not bad", "body": "at all"}

    def test_a_picture_names_each_field_before_its_first_token(self) -> None:
        drawn = draw(explanation(self.ITEM))
        assert re.search(r"\x1b\[90mtitle: \x1b", drawn)
        lines = [line.strip() for line in ESCAPE.sub("", drawn).splitlines()]
        assert lines[2:4] == ["title: not bad", "body: at all"]

    @pytest.mark.parametrize("width", [20, 80])
    def test_every_line_fits(self, width: int) -> None:
        e = explanation({"title": "not bad", "b" * 90: "at all"})
        assert all(cell_len(line) <= width for line in ESCAPE.sub("", draw(e, width)).splitlines())

    def test_plain(self) -> None:
        assert list(plain.lines(explanation(self.ITEM)))[1] == "title: {+not+} [--bad--]\u21b5body: at {+all+}"

    def test_a_trace(self) -> None:
        evidence = {"kind": "trace", "view": "chain", "columns": {"dy/dx_t": (0.0, 1e-5, 3.0, 1.0)}}
        e = Explanation.from_dict({**explanation(self.ITEM).to_dict(), "evidence": evidence})
        lines = [line.split()[0] for line in ESCAPE.sub("", draw(e)).splitlines() if line.strip()]
        assert lines[2:8] == ["title:", "not", "bad", "body:", "at", "all"]
        assert [line.split("\t")[0] for line in plain.lines(e)][2:6] == ["title: not", "bad", "body: at", "all"]

    def test_csv_has_them_as_a_column(self) -> None:
        rows = table(explanation(self.ITEM), explanation())
        assert [row["field"] for row in rows] == ["title", "title", "body", "body", "", "", "", ""]

    def test_a_hostile_name_is_shown(self) -> None:
        e = explanation({"\x1b[31m": "not bad", "b": "at all"})
        assert "\x1b" not in draw(e, colour=False) + "\n".join(plain.lines(e))


class TestCorpus:
    SUMMARY = Summary(
        parts={
            "train": Counts(4800, {"bad": 2300, "good": 2500}, 24, 120, 1356),
            "dev": Counts(600, {"bad": 300, "good": 300}, 25, 118, 990),
        },
        repeated={"train": 12, "dev": 0},
        contradictory={"train": 0, "dev": 0},
        in_train={"dev": 4},
        left_out={"no label": 7, "not UTF-8": 2},
    )

    def test_the_table(self) -> None:
        assert corpus.lines(self.SUMMARY) == [
            "                                         train         dev",
            "texts                                    4,800         600",
            "  bad                                    2,300         300",
            "  good                                   2,500         300",
            "tokens a text: the median                   24          25",
            "  95 % have at most                        120         118",
            "  the longest                            1,356         990",
            "duplicates of earlier texts                 12           0",
            "texts that are also in train                             4",
            "left out: no label (7), not UTF-8 (2)",
        ]

    def test_many_labels_and_reasons_fit(self) -> None:
        labels = {"\u6b63\u9762" * i + f"\x1b{i}": i for i in range(20)}
        part = Counts(190, labels, 1, 2, 3)
        problems = {"train": 1, "dev": 2, "test": 3}
        reasons = {f"a reason {i} that is quite long": 1000 for i in range(20)}
        lines = corpus.lines(Summary(dict.fromkeys(problems, part), problems, problems, problems, reasons))
        assert len(lines) <= 15
        assert all(cell_len(line) <= 80 for line in lines)
        assert "\x1b" not in "".join(lines)
        assert any(line.split() == ["16", "other", "labels", "184", "184", "184"] for line in lines)


HOSTILE = "good \x1b[31mred\x1b]0;title\x07 [bold]markup[/bold] \u202eevil\u202c \x9b1m \x00 \ud800 :smile: <b>&amp;"


class TestHostileText:
    def test_controls_are_shown_and_markup_is_text(self) -> None:
        e = explanation(HOSTILE, tuple(0.1 for _ in words(HOSTILE)))
        for drawn in (draw(e, 200, colour=False), "\n".join(plain.lines(e))):
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", drawn)
            assert re.search(r"\u241b.*\[.*31.*m.*red", drawn)
        for text in ("[bold]x[/bold]", ":smile:", "<b>&amp;</b>"):
            e = explanation(text, tuple(0.0 for _ in words(text)))
            assert text in draw(e, colour=False)
            assert text in "\n".join(plain.lines(e))

    def test_json_holds_the_text_exactly_and_no_raw_control(self) -> None:
        line = formats.to_json({"text": HOSTILE})
        assert json.loads(line)["text"] == HOSTILE
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", line)

    def test_visible(self) -> None:
        assert visible("a\tb\r\nc\rd\x7f\u200be\u200df\u00adg") == "a    b\nc\u240dd\u2421\\u200be\u200dfg"


class TestPlain:
    def test_marks(self) -> None:
        assert (
            plain.marked(explanation(), Attribution((0.5, -1.0, 0.05, 0.4), signed=True))
            == "{+not+} [--bad--] at {+all+}"
        )
        assert (
            plain.marked(explanation(), Attribution((0.5, 1.0, 0.05, 0.4), signed=False))
            == "{*not*} {**bad**} at {*all*}"
        )

    def test_a_line_break_in_the_text_is_no_new_fact(self) -> None:
        e = explanation("bad\nmethod: forged", (0.0, 0.0, 0.0, 0.0))
        assert len(list(plain.lines(e))) == 5

    def test_lines(self) -> None:
        assert list(plain.lines(explanation())) == [
            "positive 90.0% (some-model)",
            "{+not+} [--bad--] at {+all+}",
            "for: not +0.50, all +0.40, at +0.05",
            "against: bad −1.00",
            "method: grad-x-input · of=logit",
        ]


class TestPalette:
    BACKGROUNDS = ("dark", "light", "unknown")

    @pytest.mark.parametrize("background", BACKGROUNDS)
    @pytest.mark.parametrize("share", [s / 20 for s in range(-20, 21)])
    def test_every_token_is_readable(self, share: float, background: str) -> None:
        for sign in (True, False):
            found = palette.style(share, signed=sign, background=background)
            under = [rgb(found, "bgcolor")] if found.bgcolor else [(0, 0, 0), (255, 255, 255)]
            if found.color:
                assert all(palette.contrast(rgb(found, "color"), box) >= 4.4 for box in under)

    @pytest.mark.parametrize("background", BACKGROUNDS)
    @pytest.mark.parametrize("share", [s / 20 for s in range(-20, 21)])
    def test_every_token_is_readable_in_256_colours(self, share: float, background: str) -> None:
        for sign in (True, False):
            found = palette.style(share, signed=sign, background=background, colours="256")
            if found.color and found.bgcolor:
                ink, box = (c.downgrade(ColorSystem.EIGHT_BIT).get_truecolor() for c in (found.color, found.bgcolor))
                assert palette.contrast((*ink,), (*box,)) >= 4.4
                assert len({*box}) > 1  # no grey, which would be neither for nor against

    def test_16_colours_need_no_box(self) -> None:
        """Shades of 16 colours are the terminal's own; a strong token is reversed, which is always readable."""
        for share in (-1.0, -0.4, -0.1, 0.1, 0.4, 1.0):
            found = palette.style(share, signed=True, colours="standard")
            assert found.bgcolor is None
            assert found.reverse is (abs(share) == 1)
            assert bool(found.bold) is (share >= 0.3)
            assert bool(found.underline) is (share <= -0.3)

    @pytest.mark.parametrize("background", ["dark", "light"])
    def test_more_score_is_more_colour(self, background: str) -> None:
        base = palette.BACKGROUNDS[background]
        for sign in (-1, 1):
            boxes = [
                rgb(palette.style(sign * s / 10, signed=True, background=background), "bgcolor") for s in range(1, 11)
            ]
            distances = [sum((a - b) ** 2 for a, b in zip(box, base, strict=True)) for box in boxes]
            assert all(low < high for low, high in pairwise(distances))

    def test_boxes_of_an_unknown_background_show_on_black_and_on_white(self) -> None:
        for share in (-1, -0.5, 0.4, 1):
            box = rgb(palette.style(share, signed=True), "bgcolor")
            assert min(palette.contrast(box, (0, 0, 0)), palette.contrast(box, (255, 255, 255))) >= 4.4

    @pytest.mark.parametrize(
        ("choice", "value", "expected"),
        [
            ("auto", "15;0", "dark"), ("auto", "0;15", "light"), ("auto", "0;default;7", "light"),
            ("auto", "", "unknown"),
            ("auto", "12;8", "dark"), ("light", "15;0", "light"), ("auto", "nonsense", "unknown"),
        ],
    )  # fmt: skip
    def test_theme(self, choice: str, value: str, expected: str) -> None:
        assert palette.theme(choice, {"COLORFGBG": value}) == expected


def rgb(style: Style, part: str) -> palette.RGB:
    triplet = getattr(style, part).triplet
    return triplet.red, triplet.green, triplet.blue


def table(*explanations: Explanation, screen: bool = False) -> list[dict[str, str]]:
    """A long CSV, read again."""
    records = [Record(i, Row(e.text, None, f"x:{i}"), e) for i, e in enumerate(explanations)]
    writer = Long(Written("csv", screen=screen))
    return list(csv.DictReader(io.StringIO((writer.head(records[0]) + writer.rows(records)).decode())))


class TestFormats:
    TRACE = Trace("chain", {"dy/dx_t": (1.0, 2.0, 3.0, 4.0)})

    def test_csv_is_a_row_a_token(self) -> None:
        rows = table(explanation(), explanation("so, so", (1.0, 2.0, 3.0)))
        assert [(r["row"], r["token"], r["score"]) for r in rows[3:6]] == [
            ("0", "all", "0.4"),
            ("1", "so", "1.0"),
            ("1", ",", "2.0"),
        ]
        assert rows[1].keys() >= {"position", "start", "end", "target", "label", "probability", "method", "model", "id"}

    def test_csv_of_a_trace_has_its_columns(self) -> None:
        e = Explanation.from_dict(
            {**explanation().to_dict(), "evidence": {"kind": "trace", "view": "chain", "columns": self.TRACE.columns}}
        )
        assert table(e)[0]["dy/dx_t"] == "1.0"

    def test_csv_of_explanations_cannot_steer_a_terminal(self) -> None:
        for screen in (True, False):
            (row,) = table(explanation("\x1b", (1.0,)), screen=screen)
            assert ("\x1b" in row["token"]) is not screen

    def test_csv_cannot_steer_a_terminal_but_a_file_is_exact(self) -> None:
        for screen in (True, False):
            stream = io.StringIO()
            stream.isatty = lambda screen=screen: screen  # type: ignore[method-assign,misc]  # a screen
            formats.write_csv([{"text": "a\x1b[31m"}], stream)
            assert ("\x1b" in stream.getvalue()) is not screen

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_json_is_one_array(self, count: int) -> None:
        stream = io.StringIO()
        formats.write_json((explanation().to_dict() for _ in range(count)), stream)
        assert len(json.loads(stream.getvalue())) == count

    def test_jsonl_is_an_explanation_a_line(self) -> None:
        stream = io.StringIO()
        formats.write_jsonl([explanation().to_dict()] * 2, stream)
        assert [Explanation.from_dict(json.loads(line)) for line in stream.getvalue().splitlines()] == [
            explanation()
        ] * 2

    def test_what_is_not_a_number_is_no_json(self) -> None:
        with pytest.raises(ValueError, match="JSON"):
            formats.to_json({"score": float("nan")})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0"), (0.5, "0.50"), (123.456, "123.46"), (12345.6, "1.23e+04"), (1.2345e-5, "1.23e-05")],
)
def test_numbers(value: float, expected: str) -> None:
    assert number(value) == expected
    assert signed(-value) == ("\u2212" + expected if value else "0")
    assert number(-value) == signed(-value)


class TestCurve:
    def test_it_falls_from_the_top_left_to_the_bottom_right(self) -> None:
        assert curve([2.0, 1.0], 20, 2) == [" 2.000 \u2588 ", " 1.000 \u2588\u2581"]

    def test_a_small_change_can_be_seen(self) -> None:
        first, *_, last = curve([0.69, 0.68, 0.67, 0.65], 40, 3)
        assert first == " 0.690 \u2588\u2582  "
        assert last == " 0.650 \u2588\u2588\u2588\u2581"

    def test_many_values_share_the_columns(self) -> None:
        assert {len(line) for line in curve([1 / (i + 1) for i in range(1000)], 30, 4)} == {30}

    @pytest.mark.parametrize("values", [[], [0.5], [0.0, 0.0]])
    def test_there_is_always_a_curve(self, values: list[float]) -> None:
        assert len(curve(values, 10, 3)) == 3
