"""What the README shows works as written."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from rnnx import registry
from rnnx.cli.app import EXAMPLES
from rnnx.models.catalog import SHIPPED, names
from tests.conftest import Run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def block(mark: str) -> str:
    found = re.search(rf"<!-- ci: {mark} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found, mark
    return found[1]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the checkout, to be written into."""
    for name in ("configs", "sample_data"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_tour(run: Run, checkout: Path) -> None:
    commands = block("tour").splitlines()
    assert len(commands) == 5
    for command in commands:
        program, *argv = shlex.split(command)
        result = run(*argv)
        assert program == "rnnx"
        assert result.code == 0, (command, result.err)
        assert "error:" not in result.err
    metrics = json.loads((checkout / "runs" / "quickstart" / "metrics.json").read_text())
    assert metrics["dev"]["held-out share"]["accuracy"] >= 0.7  # the README's figure, give or take chance


def test_the_first_command_ends_in_an_explanation(run: Run) -> None:
    argv = shlex.split(block("try").rpartition("/rnnx ")[2])
    result = run(*argv, screen=True)
    assert result.code == 0
    assert "38;2;" in result.out


@pytest.mark.parametrize("command", re.findall(r"^  rnnx (.*)$", EXAMPLES, re.MULTILINE))
def test_the_examples_of_the_help(run: Run, checkout: Path, command: str) -> None:
    (checkout / "reviews.csv").write_text("text\na masterpiece\n")
    argv = shlex.split(command)
    if argv[0] == "train":
        argv += ["--set", "training.epochs=1"]
    assert run(*argv).code == 0


def test_the_library_example(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    scope: dict[str, object] = {}
    exec(code, scope)
    assert capsys.readouterr().out.startswith("positive 0.9")
    batch, x, model, network = (scope[name] for name in ("batch", "x", "model", "network"))
    assert x.shape[:2] == batch.mask.shape == batch.ids.shape == (1, 4)  # type: ignore[attr-defined]  # untyped here
    assert model.gradient(x, batch, [1]).shape == x.shape  # type: ignore[attr-defined]  # untyped here
    assert type(network).__name__ == "RecurrentNetwork"


def test_the_config_of_the_readme(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "tickets.yaml").write_text(text)
    rows = "it does not print,page {0},printer\nI forgot it,again {0},password\n"
    (tmp_path / "tickets.csv").write_text("subject,body,team\n" + "".join(rows.format(i) for i in range(20)))
    monkeypatch.chdir(tmp_path)
    result = run("train", "tickets.yaml", "--dry-run")
    assert result.code == 0, result.err
    assert "model: gru, " in result.out


def test_the_readme_names_every_method_and_model() -> None:
    for name in (*registry.methods(), *registry.VIEWS, *names()):
        assert f"`{name}`" in README or f"--view {name}" in README


@pytest.mark.parametrize("name", names())
def test_the_readme_has_the_figures_of_the_cards(name: str) -> None:
    card = (SHIPPED / name / "README.md").read_text("utf-8")
    (line,) = [line for line in README.splitlines() if line.startswith(f"| `{name}`")]
    figures = re.findall(r"\d+\.\d%", line)
    assert len(figures) == 4
    assert all(figure in card for figure in figures)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)h][^)]*)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
