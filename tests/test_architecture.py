"""Layers, cycles, and what may be imported when: the design, checked."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rnnx
from rnnx import registry
from rnnx.models import catalog

PACKAGE = Path(rnnx.__file__).parent
# A module imports, at its top, only from its own row and the rows above it.
ROWS = [
    ("errors", "types", "comparisons"),
    ("registry", "settings", "verdict", "config", "data", "render"),
    ("cli",),
    ("text",),
    ("models",),
    ("methods",),
    ("metrics",),
    ("training",),
    (
        "choosing",
        "streaming",
        "results",
        "explaining",
        "attending",
        "explainers",
        "evaluation",
        "standings",
        "exporting",
        "recording",
    ),
    ("contending", "comparing", "tallying", "loading", "pool", "jobs", "labelling", "saved", "sharding"),
    ("scale",),
]
RANK = {part: i for i, row in enumerate(ROWS) for part in row}
MODULES = {".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts): p for p in PACKAGE.rglob("*.py")}


def imports(path: Path) -> Iterator[str]:
    """Modules of ours that a file imports, in functions too where it is not the command line's."""
    tree = ast.parse(path.read_text("utf-8"))
    lazy = path.parent.name == "cli" or (path.parent == PACKAGE and path.name.startswith("__"))
    for node in tree.body if lazy else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("rnnx"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rnnx"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (
                name if name in MODULES or f"{name}.__init__" in MODULES else str(node.module) for name in names
            )


def rank(module: str) -> int:
    parts = module.split(".")
    return RANK[parts[1]] if len(parts) > 1 and parts[1] in RANK else -1


@pytest.mark.parametrize("module", [m for m in MODULES if rank(m) >= 0])
def test_imports_point_to_lighter_rows(module: str) -> None:
    heavier = [name for name in imports(MODULES[module]) if rank(name) > rank(module)]
    assert not heavier


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("rnnx.methods.")])
def test_a_method_knows_nothing_of_texts_files_and_screens(module: str) -> None:
    assert not [name for name in imports(MODULES[module]) if name.split(".")[1] in ("cli", "data", "render", "text")]
    assert "pathlib" not in MODULES[module].read_text("utf-8")


def test_every_module_has_its_row() -> None:
    parts = {m.split(".")[1] for m in MODULES}
    assert parts - set(RANK) == {"__init__", "__main__"}


def test_no_import_cycles() -> None:
    graph = {name.removesuffix(".__init__"): set(imports(path)) for name, path in MODULES.items()}
    while leaves := [name for name, wants in graph.items() if not wants & graph.keys()]:
        for name in leaves:
            del graph[name]
    assert not graph


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh Python has loaded after running this."""
    script = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def command(*argv: str) -> str:
    return f"from rnnx.cli import main\nassert main({list(argv)!r}) == 0"


COMPLETION = """
import os
os.environ |= {"_RNNX_COMPLETE": "complete_bash", "COMP_WORDS": "rnnx explain --method ", "COMP_CWORD": "3"}
from rnnx.cli import main
main([])
"""


@pytest.mark.parametrize(
    "code",
    [
        "import rnnx",
        command("--help"),
        command("explain", "--help"),
        command("compare", "--help"),
        command("--version"),
        command("methods"),
        command("methods", "grad"),
        command("methods", "chain"),
        COMPLETION,
    ],
    ids=["import", "help", "explain-help", "compare-help", "version", "methods", "page", "view-page", "completion"],
)
def test_light_commands_import_neither_torch_nor_numpy(code: str) -> None:
    assert not loaded_by(code) & {"torch", "numpy", "pydantic", "yaml", "safetensors"}


@pytest.mark.parametrize("name", catalog.names())
@pytest.mark.parametrize("argv", [["explain"], ["explain", "--view", "chain"], ["compare"], ["predict"]])
def test_a_recurrent_model_is_explained_without_torch(argv: list[str], name: str) -> None:
    loaded = loaded_by(command(*argv, "--model", name, "--format", "text", "not bad at all"))
    assert "numpy" in loaded
    assert not loaded & {"torch", "pydantic"}


@pytest.mark.parametrize("row", registry.methods().values(), ids=lambda row: row.name)
def test_no_method_imports_torch(row: registry.Method) -> None:
    assert "torch" not in loaded_by(f"from rnnx import registry; registry.load({row.function!r})")


def test_completion_knows_methods_and_models() -> None:
    for words, expected in (("--method gra", "grad-x-input"), ("--model sent", "sentiment-lstm")):
        environ = f"{{'_RNNX_COMPLETE': 'complete_bash', 'COMP_WORDS': 'rnnx explain {words}', 'COMP_CWORD': '3'}}"
        code = f"import os; os.environ |= {environ}\nfrom rnnx.cli import main\nmain([])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert expected in done.stdout.split()


def test_the_exported_names_are_there() -> None:
    assert set(rnnx.__all__) <= set(dir(rnnx))
    for name in rnnx.__all__:
        assert getattr(rnnx, name)
    with pytest.raises(AttributeError):
        _ = rnnx.nonsense
