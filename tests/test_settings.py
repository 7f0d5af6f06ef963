"""The signature is the schema."""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from rnnx import registry, settings
from rnnx.errors import ConfigError, PluginError, UnknownName
from rnnx.registry import Method
from tests.conftest import Run

MODULE = '''
from __future__ import annotations
from typing import Literal
from rnnx.settings import Amount, Count, Of, Texts

def method(model, batch, target, *, steps: int = 32, tolerance: float = 1e-3, multiply: bool = True,
           rule: Literal["gauss", "midpoint"] = "gauss", of: Of = "logit", limit: int | None = None, tag: str = "",
           samples: Count = 5, noise: Amount | None = 0.1, file: Texts | None = None):
    """A made-up method (Nobody 2020)."""
'''
NAME = "made_up_module:method"


@pytest.fixture(autouse=True)
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_up_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def test_defaults_come_from_the_signature() -> None:
    assert settings.resolve("m", NAME, {}) == {
        "steps": 32, "tolerance": 1e-3, "multiply": True, "rule": "gauss", "of": "logit", "limit": None, "tag": "",
        "samples": 5, "noise": 0.1, "file": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("steps", "64", 64), ("steps", 64, 64), ("tolerance", "1e-4", 1e-4), ("tolerance", 1, 1.0),
        ("multiply", "no", False), ("multiply", "True", True), ("multiply", False, False),
        ("rule", "midpoint", "midpoint"), ("of", "prob", "prob"),
        ("samples", "1", 1), ("noise", "0", 0.0), ("noise", "none", None),
        ("limit", "5", 5), ("limit", "none", None), ("limit", None, None), ("tag", "x=1", "x=1"),
        ("file", "a.csv", "a.csv"), ("file", Path("b/a.csv"), "b/a.csv"), ("file", "none", None),
    ],
)  # fmt: skip
def test_text_and_typed_values_are_accepted(name: str, given: Any, value: Any) -> None:
    found = settings.resolve("m", NAME, {name: given})[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("steps", "many", "a whole number"), ("steps", 1.5, "a whole number"), ("steps", True, "a whole number"),
        ("steps", "1.5", "a whole number"), ("tolerance", "small", "a number"), ("multiply", "maybe", "true or false"),
        ("rule", "gaus", "one of gauss, midpoint"), ("of", None, "one of logit"), ("steps", None, "a whole number"),
        ("tag", 3, "a text"),
        ("file", 3, "the name of a file of texts"),
        ("samples", 0, "a whole number from 1 to 1000000000"),
        ("samples", "1" + 30 * "0", "a whole number from 1 to 1000000000"), ("noise", -1, "a number of at least 0"),
        ("noise", "nan", "a number of at least 0"), ("noise", "inf", "a number of at least 0"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_named(name: str, given: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"m: {name} must be {words}.*not {given!r}"):
        settings.resolve("m", NAME, {name: given})


def test_a_misspelt_setting_is_answered_with_the_right_one() -> None:
    with pytest.raises(UnknownName) as caught:
        settings.resolve("m", NAME, {"step": 3})
    assert "did you mean steps" in caught.value.hint


def test_a_misspelt_choice_is_answered_with_the_right_one() -> None:
    with pytest.raises(ConfigError) as caught:
        settings.resolve("m", NAME, {"rule": "gaus"})
    assert "did you mean gauss" in caught.value.hint


@pytest.mark.parametrize("row", [*registry.methods().values(), *registry.VIEWS.values()], ids=lambda row: row.name)
def test_the_source_says_what_the_function_takes(row: Any) -> None:
    """The signature read from the source is the one that Python sees."""
    function = registry.load(row.function)
    real = [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    read = settings.signature(row.function)
    assert {p.name: p.default for p in real} == {s.name: s.default for s in read.settings.values()}
    assert inspect.getdoc(function) == read.doc


def test_who_draws_at_random_says_so(tmp_path: Path) -> None:
    (tmp_path / "random_module.py").write_text("def method(model, batch, target, rngs, *, n: int = 1): ...")
    found = settings.signature("random_module:method")
    assert (found.random, list(found.settings)) == (True, ["n"])
    assert not settings.signature(NAME).random


@pytest.mark.parametrize("setting", ["n: Optional[int] = 3", "n: list[str] = ()", "n: float = 2**-3", "n: int", "n=3"])
def test_what_is_no_setting_is_said(setting: str, tmp_path: Path) -> None:
    (tmp_path / "odd_module.py").write_text(f"def method(model, batch, target, *, {setting}): ...")
    with pytest.raises(PluginError, match="the setting n needs a type"):
        settings.signature("odd_module:method")


def test_a_broken_plug_in_is_left_out(tmp_path: Path, run: Run) -> None:
    (tmp_path / "broken-1.0.dist-info").mkdir()
    (tmp_path / "broken-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (tmp_path / "broken-1.0.dist-info" / "entry_points.txt").write_text(
        "[rnnx.methods]\nbroken = nowhere:ROW\n[rnnx.metrics]\nodd = json:dumps\n"
    )
    with pytest.warns(UserWarning, match="the metric odd of json:dumps is left out: it is no rnnx.registry.Metric"):
        assert list(registry.metrics()) == list(registry.METRICS)
    said = "warning: the metric odd of json:dumps is left out: it is no rnnx.registry.Metric\n"
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run("methods", "comprehensiveness").err.count(said) == 1
        assert run("evaluate", "a good film", "--methods", "grad", "--metrics", "comp,suff").err.count(said) == 1
    with pytest.warns(UserWarning, match="the method broken of nowhere:ROW is left out"):
        assert "grad" in registry.methods()


ROWS_OF_A_PLUG_IN = """
from rnnx.registry import Method, Metric
GONE = Method("gone", "not_there:method", "input", "a test")
ODD = Method("odd", "odd_rows:method", "input", "a test")
HALF = Metric("half", "half_there:metric", "half", "tokens", better="lower", paper="none", weakness="all", cost="none")
def method(model, batch, target, *, n=3): ...
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package "odds" whose rows are there, but none of their functions can be used."""
    (tmp_path / "odds-1.0.dist-info").mkdir()
    (tmp_path / "odds-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: odds\nVersion: 1.0\n")
    (tmp_path / "odds-1.0.dist-info" / "entry_points.txt").write_text(
        "[rnnx.methods]\ngone = odd_rows:GONE\nodd = odd_rows:ODD\n[rnnx.metrics]\nhalf = odd_rows:HALF\n"
    )
    (tmp_path / "odd_rows.py").write_text(ROWS_OF_A_PLUG_IN)
    (tmp_path / "half_there.py").write_text("import a_package_that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("methods gone", "the method gone of the package odds cannot be used: no module not_there"),
        ("explain --method gone", "the method gone of the package odds cannot be used: no module not_there"),
        ("explain --method odd", "the method odd of the package odds cannot be used: the setting n needs a type"),
        ("compare --methods lrp,gone", "the method gone of the package odds cannot be used: no module not_there"),
        ("evaluate --methods gone", "the method gone of the package odds cannot be used: no module not_there"),
        (
            "evaluate --methods lrp --metrics half",
            "the metric half of the package odds cannot be used: No module named 'a_package_that_is_missing'",
        ),
    ],
)
@pytest.mark.filterwarnings("always")
@pytest.mark.usefixtures("plug_in")
def test_a_plug_in_that_cannot_be_used_is_named(run: Run, argv: str, said: str) -> None:
    result = run(*argv.split(), *([] if argv.startswith("methods") else ["not bad"]))
    assert result.code == 2
    assert f"error: {said}" in result.err
    assert "hint: mend or uninstall odds" in result.err


@pytest.mark.filterwarnings("always")
@pytest.mark.usefixtures("plug_in")
def test_all_methods_and_metrics_are_those_that_can_be_used(run: Run) -> None:
    compared = run("compare", "--methods", "all", "not bad", "--format", "json")
    assert compared.code == 0, compared.err
    assert "warning: the method gone of the package odds cannot be used: no module not_there; left out" in compared.err
    measured = run("evaluate", "not bad", "--format", "csv", "--limit", "1")
    assert measured.code == 0, measured.err
    assert "the metric half of the package odds cannot be used" in measured.err
    assert "lrp," in measured.out


def test_another_package_adds_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = tmp_path / "plugin"
    (plugin / "theirs-1.0.dist-info").mkdir(parents=True)
    (plugin / "theirs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (plugin / "theirs-1.0.dist-info" / "entry_points.txt").write_text("[rnnx.methods]\ntheirs = theirs:ROW\n")
    (plugin / "theirs.py").write_text(
        "from rnnx.registry import Method\nROW = Method('theirs', 'made_up_module:method', 'input', 'a test')\n"
    )
    monkeypatch.syspath_prepend(plugin)
    assert isinstance(registry.methods()["theirs"], Method)
    assert registry.method("theirs").summary == "a test"
    with pytest.raises(UnknownName, match="their"):
        registry.method("their")


def test_another_package_adds_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    plugin = tmp_path / "plugin"
    (plugin / "rating-1.0.dist-info").mkdir(parents=True)
    (plugin / "rating-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: rating\nVersion: 1.0\n")
    (plugin / "rating-1.0.dist-info" / "entry_points.txt").write_text("[rnnx.metrics]\nlength = rating:ROW\n")
    (plugin / "rating.py").write_text("""
from rnnx.registry import Metric
ROW = Metric("length", "rating:length", "len", "tokens", better="lower", paper="none", weakness="all", cost="none")

def length(model, batch, target, scores, *, times: float = 1.0):
    \"\"\"How many tokens a text has.\"\"\"
    return times * batch.lengths
""")
    monkeypatch.syspath_prepend(plugin)
    assert list(registry.metrics()) == [*registry.METRICS, "length"]
    assert "How many tokens a text has." in run("methods", "length").out
    argv = "evaluate", "not bad", "a good film", "--methods", "grad", "--set", "length.times=2", "-f", "json"
    for named in ("len", "length"):
        found = json.loads(run(*argv, "--metrics", named).out)["methods"]
        assert {line["method"]: line["scores"]["length"]["mean"] for line in found} == {"grad": 5.0, "random": 5.0}
