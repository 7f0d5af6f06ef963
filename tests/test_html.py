"""The page of explanations: what it escapes, and, where there is a Chromium, what its script does."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rnnx.data.rows import Row
from rnnx.render import coloured, palette
from rnnx.render.html import Html
from rnnx.render.tally import Tally
from rnnx.render.writers import Record, Style
from rnnx.types import Explanation
from tests import browser
from tests.conftest import MODELS, Run, random_model
from tests.test_architecture import command, loaded_by

HOSTILE = (
    """<script>document.title = "taken"</script> </p></article> "a 'good' film" <img src=x onerror=alert(1)> &lt;"""
)
TEXTS = ["not bad", "a good film", HOSTILE, "the plot , really\nnot good but the film !", "a", "电影", "a good plot"]
VOID = {"meta", "link", "input", "br"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(random_model(tmp_path_factory.mktemp("model"), MODELS["attention"]))


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.jsonl"
    rows = [{"id": f'<b id="x">{i}', "stars": "</script>", "text": text} for i, text in enumerate(TEXTS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Reader(HTMLParser):
    """Elements with their attributes, the texts of ``.text``; what is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.stack: list[tuple[str, bool]] = []
        self.feed(page)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append((tag, dict(attrs).get("class") == "text marks"))
            if self.stack[-1][1]:
                self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if any(text for _, text in self.stack):
            self.texts[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


class TestBytes:
    def test_what_is_in_a_text_is_text(self, run: Run, small: str, reviews: Path) -> None:
        result = run("explain", "-m", small, str(reviews), "--keep", "stars", "-f", "html")
        assert result.code == 0, result.err
        page = Reader(result.out)
        assert page.texts == TEXTS
        assert len(page.named("article")) == len(TEXTS)
        assert len(page.named("script")) == 1
        assert not page.named("img")
        assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on") or name == "style"]
        assert result.out.count("</script>") == result.out.count("<script>") == 1

    def test_it_loads_nothing(self, run: Run, small: str, reviews: Path) -> None:
        out = run("explain", "-m", small, str(reviews), "-f", "html").out
        page = Reader(out)
        outside = [a.get("src") or a.get("href") for _, a in page.elements if a.get("src") or a.get("href")]
        assert sorted(map(str, outside)) == ["#summary", "data:,"]
        (policy,) = (str(a["content"]) for a in page.named("meta") if a.get("http-equiv"))
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert "url(" not in out
        assert "@import" not in out

    def test_the_policy_allows_this_script_and_this_style(self, run: Run, small: str) -> None:
        out = run("explain", "-m", small, "a good film", "-f", "html").out
        for name in ("script", "style"):
            (code,) = re.findall(f"<{name}>(.*?)</{name}>", out, re.DOTALL)
            assert f"{name}-src 'sha256-{b64encode(sha256(code.encode()).digest()).decode()}'" in out

    def test_names_of_labels_models_and_methods_are_text_too(self) -> None:
        evil = '"><script>alert(1)</script>'
        prediction = {"label": evil, "probability": 0.5, "probabilities": {evil: 0.5, "b": 0.5}, "logits": [0.0]}
        evidence = {"kind": "attribution", "scores": [1.0], "signed": True}
        tokens = [{"text": evil, "start": 0, "end": len(evil)}]
        said = {"schema": 1, "model": evil, "method": evil, "settings": {evil: evil}, "seed": 0, "target": evil}
        e = Explanation.from_dict(
            {**said, "text": evil, "tokens": tokens, "prediction": prediction, "evidence": evidence, "diagnostics": {}}
        )
        writer, counted = Html(Style("html", keep=(evil,), summary=True)), Tally()
        record = Record(0, Row(evil, None, evil, None, evil, {evil: evil}), e)
        counted.add(e, evil)
        counted.left_out[evil] += 1
        page = (writer.head(record) + writer.rows([record]) + writer.tail(counted, empty=False)).decode()
        assert Reader(page).texts == [evil]
        assert len(Reader(page).named("script")) == 1

    @pytest.mark.parametrize(
        "more",
        [
            ["--view", "chain"], ["--phrases"], ["--view", "hierarchy"], ["--by", "sentence"], ["--by", "unit"],
            ["--view", "interaction", "--set", "first=not", "--set", "second=good"], ["--method", "grad"], ["--check"],
        ],
        ids=" ".join,
    )  # fmt: skip
    def test_every_kind_of_evidence_is_on_the_page(self, run: Run, small: str, more: list[str]) -> None:
        text = "the plot is <i>really</i> not good. a good film"
        result = run("explain", "-m", small, text, "-f", "html", *more)
        assert result.code == 0, result.err
        plain = run("explain", "-m", small, text, "-f", "plain", *more).out
        page = Reader(result.out)
        assert page.texts == [text]
        assert bool(page.named("table")) == ("\t" in plain)
        shown = re.sub(r"<[^>]*>", "\t", result.out.partition("<main")[2].partition("</main>")[0])
        for line in plain.splitlines()[2:]:
            for cell in line.split("\t"):
                assert cell.strip() in unescape(shown), cell

    def test_a_file_without_a_good_row_is_a_page(self, run: Run, small: str) -> None:
        result = run("explain", "-", "-m", small, "-f", "html", stdin="<br />\n")
        assert "no text was explained" in result.out
        assert not Reader(result.out).texts

    def test_other_formats_do_without_the_templates(self) -> None:
        assert "jinja2" in loaded_by(command("explain", "-f", "html", "good"))
        assert "jinja2" not in loaded_by(command("explain", "-f", "text", "good"))

    def test_more_score_more_colour_and_always_readable(self) -> None:
        for name, boxes in coloured.themes().items():
            for side in coloured.SIDES:
                own = [(_rgb(box), _rgb(ink)) for s, _, box, ink in boxes if s == side]
                assert all(palette.contrast(box, ink) > 4.5 for box, ink in own)
                far = [palette.contrast(box, palette.BACKGROUNDS[name]) for box, _ in own]
                assert far == sorted(far)

    def test_pieces_make_the_text_and_carry_its_sides(self) -> None:
        tokens = [{"text": w, "start": s, "end": s + len(w)} for w, s in (("a", 0), ("b", 2), ("c", 4), ("d", 6))]
        p = {"label": "x", "probability": 1.0, "probabilities": {"x": 1.0}, "logits": [0.0, 0.0]}
        said = {"schema": 1, "model": "m", "method": "lrp", "settings": {}, "seed": 0, "target": "x", "prediction": p}
        evidence: dict[str, Any] = {"kind": "attribution", "scores": [2.0, -0.6, 0.01, 0.3], "signed": True}
        given = {**said, "text": "a b c d!", "tokens": tokens, "diagnostics": {}}
        found = coloured.pieces(Explanation.from_dict({**given, "evidence": evidence}))
        assert [tuple(piece) for piece in found] == [
            ("a", "b", 10, "+2.00"), (" ", "", 0, ""), ("b", "u", 3, "\u22120.60"), (" c ", "", 0, ""),
            ("d", "b", 1, "+0.30"), ("!", "", 0, ""),
        ]  # fmt: skip
        assert coloured.MARKED_STEPS[0] == 3
        sizes = {**evidence, "scores": [2.0, 0.6, 0.01, 0.3], "signed": False}
        found = coloured.pieces(Explanation.from_dict({**given, "evidence": sizes}))
        assert [piece.side for piece in found if piece.side] == ["i", "i", "i"]


def _rgb(text: str) -> palette.RGB:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


@pytest.fixture(scope="module")
def tab() -> Iterator[browser.Page]:
    program = browser.found()
    if program is None:
        pytest.skip("there is no Chromium here")
    with browser.page(program) as page:
        yield page


@pytest.fixture
def opened(tab: browser.Page, run: Run, reviews: Path, tmp_path: Path) -> browser.Page:
    path = tmp_path / "page.html"
    assert run("explain", str(reviews), "--keep", "stars", "-o", str(path)).code == 0
    tab.said.clear()
    tab.open(path)
    return tab


SET = """((name, value) => {
  const field = document.getElementById("filter")[name];
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
})(%s, %s)"""
SHOWN = """[...document.querySelectorAll("article:not([hidden])")].map((node) =>
  ({ text: node.querySelector(".text").textContent, ...node.dataset }))"""


def put(page: browser.Page, name: str, value: str) -> list[dict[str, str]]:
    """Set a control; what is shown then."""
    page.run(SET % (json.dumps(name), json.dumps(value)))
    shown: list[dict[str, str]] = page.run(SHOWN)
    count = page.run("document.getElementById('count').value")
    assert count == f"{len(shown)} of {len(TEXTS)} texts"
    return shown


class TestCompared:
    def test_each_text_stands_there_once_a_method(self, run: Run, small: str, reviews: Path, tmp_path: Path) -> None:
        argv = "compare", "-m", small, "--methods", "lrp,ig,grad", str(reviews)
        assert run(*argv, "-o", str(tmp_path / "x.html")).code == 0
        out = (tmp_path / "x.html").read_text("utf-8")
        page = Reader(out)
        assert page.texts == [text for text in TEXTS for _ in range(3)]
        assert len(page.named("script")) == 1
        found = json.loads(run(*argv, "-f", "json").out)["overall"]
        summary = unescape(out.partition('<section id="summary"')[2])
        assert f"<h2>{len(TEXTS)} texts</h2>" in summary
        for line in found["lines"]:
            mean, low, high = line["faithful"]
            assert f">{mean:.2f} ({low:.2f} to {high:.2f})<" in summary.replace("\u2212", "-")
        for kind in ("spearman", "overlap"):
            assert f">{found['agreement'][kind][0][1]:.2f}<" in summary.replace("\u2212", "-")

    def test_of_one_text_there_is_no_mean(self, run: Run, small: str) -> None:
        out = run("compare", "-m", small, "--methods", "lrp,ig", HOSTILE, "-f", "html").out
        assert Reader(out).texts == [HOSTILE, HOSTILE]
        assert 'id="summary"' not in out
        verdict = run("compare", "-m", small, "--methods", "lrp,ig", HOSTILE, "-f", "plain").out.splitlines()[-1]
        assert verdict.removeprefix("verdict: ") in unescape(out)

    def test_two_models(self, run: Run, small: str, tmp_path: Path) -> None:
        other = str(random_model(tmp_path / "other", MODELS["last"], seed=1))
        out = run("compare", "--models", small, other, "a good film", "-f", "html").out
        assert Reader(out).texts == ["a good film"] * 2
        assert "What changed most" in out

    def test_it_sorts_by_agreement(
        self, tab: browser.Page, run: Run, small: str, reviews: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "x.html"
        assert run("compare", "-m", small, "--methods", "lrp,ig,grad", str(reviews), "-o", str(path)).code == 0
        tab.said.clear()
        tab.open(path)
        every = tab.run(SHOWN)
        found = put(tab, "sort", "agree")
        assert found == sorted(every, key=lambda text: float(text["agree"]))
        assert found != every
        assert {text["text"] for text in put(tab, "word", "plot")} == {text for text in TEXTS if "plot" in text}
        assert not [m for m in tab.said if not m["method"].startswith("Network")]


class TestInABrowser:
    def test_a_hostile_text_does_nothing_and_nothing_is_said(self, opened: browser.Page) -> None:
        assert "lrp" in opened.run("document.title")
        assert opened.run("document.images.length") == 0
        assert [text["text"] for text in opened.run(SHOWN)] == TEXTS
        for word in ("</script>", '"', "<script>"):
            put(opened, "word", word)
        loaded = [m["params"]["request"]["url"] for m in opened.said if m["method"].startswith("Network")]
        assert [url for url in loaded if not url.startswith("file:///")] in ([], ["data:,"])
        assert len([url for url in loaded if url.startswith("file:///")]) == 1
        assert not [m for m in opened.said if not m["method"].startswith("Network")]

    def test_what_would_run_is_refused(self, opened: browser.Page) -> None:
        opened.run("document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))")
        opened.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
        assert opened.run("window.ran") is None

    def test_the_summary_is_on_top(self, opened: browser.Page) -> None:
        assert opened.run("document.getElementById('texts').previousElementSibling.id") == "summary"
        assert opened.run("document.querySelector('#summary h2').textContent") == f"{len(TEXTS)} texts"

    def test_it_filters(self, opened: browser.Page) -> None:
        every = opened.run(SHOWN)
        labels = {text["label"] for text in every}
        assert len(labels) == 2
        for label in labels:
            assert put(opened, "label", label) == [text for text in every if text["label"] == label]
        put(opened, "label", "")
        for level in ("high", "medium", "low", "unclear"):
            assert put(opened, "trust", level) == [text for text in every if text["trust"] == level]
        put(opened, "trust", "")
        middle = sorted(float(text["sure"]) for text in every)[len(every) // 2]
        bound = round(100 * middle, 1)
        sure = put(opened, "low", str(bound))
        assert sure == [text for text in every if round(100 * float(text["sure"]), 1) >= bound]
        assert 0 < len(sure) < len(every)
        put(opened, "low", "")
        unsure = put(opened, "high", str(bound))
        assert unsure == [text for text in every if round(100 * float(text["sure"]), 1) <= bound]
        put(opened, "high", "")
        assert put(opened, "word", " PLOT ") == [text for text in every if "plot" in text["text"]]
        assert put(opened, "word", "<img") == [every[2]]
        assert put(opened, "word", "no such word") == []
        opened.run("document.querySelector('[type=reset]').click()")
        opened.run("new Promise((done) => setTimeout(done, 20))")
        assert opened.run(SHOWN) == every

    def test_it_sorts(self, opened: browser.Page) -> None:
        every = opened.run(SHOWN)
        levels = ["unclear", "low", "medium", "high"]
        assert put(opened, "sort", "surest") == sorted(every, key=lambda text: -float(text["sure"]))
        assert put(opened, "sort", "unsure") == sorted(every, key=lambda text: float(text["sure"]))
        assert put(opened, "sort", "doubted") == sorted(every, key=lambda text: levels.index(text["trust"]))
        assert put(opened, "sort", "trusted") == sorted(every, key=lambda text: -levels.index(text["trust"]))
        assert put(opened, "sort", "file") == every

    def test_a_word_of_the_summary_filters(self, opened: browser.Page) -> None:
        opened.run("document.querySelector('#summary button[data-word=good]').click()")
        assert {text["text"] for text in opened.run(SHOWN)} == {text for text in TEXTS if "good" in text}

    def test_scores_are_reached_by_keyboard(self, opened: browser.Page) -> None:
        opened.run("document.querySelectorAll('.text')[1].focus()")
        tokens = opened.run(
            "[...document.querySelectorAll('.text')[1].querySelectorAll('[data-s]')]"
            ".map((token) => `${token.textContent} ${token.dataset.s}`)"
        )
        said = []
        for _ in tokens:
            opened.key("ArrowRight")
            said.append(opened.run("document.getElementById('said').value"))
        assert said == tokens
        assert len(said) > 1
        opened.key("ArrowLeft")
        assert opened.run("document.getElementById('said').value") == tokens[-2]
        assert opened.run("getComputedStyle(document.querySelector('.at'), '::after').content") == json.dumps(
            tokens[-2].rpartition(" ")[2], ensure_ascii=False
        )

    def test_in_print_all_is_open_and_no_control_is_there(self, opened: browser.Page) -> None:
        assert not opened.run("document.querySelector('.facts').checkVisibility()")
        opened.call("Emulation.setEmulatedMedia", media="print")
        try:
            assert opened.run("getComputedStyle(document.getElementById('filter')).display") == "none"
            assert opened.run("document.querySelector('.facts').getClientRects().length") > 0
        finally:
            opened.call("Emulation.setEmulatedMedia", media="")

    def test_it_can_be_read_without_a_script(self, opened: browser.Page, tmp_path: Path) -> None:
        opened.call("Emulation.setScriptExecutionDisabled", value=True)
        try:
            opened.open(tmp_path / "page.html", still=True)
            assert opened.run("document.getElementById('texts').nextElementSibling.id") == "summary"
            assert opened.run("document.getElementById('down').checkVisibility()")
            assert opened.run("getComputedStyle(document.getElementById('filter')).display") == "none"
        finally:
            opened.call("Emulation.setScriptExecutionDisabled", value=False)
