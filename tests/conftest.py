"""Tiny models with random weights, and the command line as a function."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is there, as in rnnx.__main__

import pytest
import torch
from hypothesis import settings

from rnnx.cli import main
from rnnx.cli.terminal import Terminal
from rnnx.models import checkpoint
from rnnx.models.catalog import Spec
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.text.vocabulary import SPECIAL, Vocabulary
from rnnx.training.network import RecurrentNetwork

# The same examples wherever the tests run, and no limit to their time: a slow moment of the machine is no failure.
settings.register_profile("rnnx", deadline=None, derandomize=True, database=None)
settings.load_profile("rnnx")

WORDS = ("a", "good", "bad", "film", "not", "but", "the", "plot", "really", "!", ",", "电", "影")
TEXTS = ("a good film", "not bad", "the plot , really not good but the film !", "unheard words", "电影", "a")

MODELS = {
    "last": Spec("lstm", "last", ("negative", "positive")),
    "attention": Spec("lstm", "attention", ("negative", "positive")),
    "three-classes": Spec("lstm", "attention", ("bad", "fair", "good")),
    "gru": Spec("gru", "mean", ("negative", "positive")),
    "two-directions": Spec("rnn", "max", ("negative", "positive")),
}


def random_model(folder: Path, spec: Spec, seed: int = 0, scale: float = 2.0) -> Path:
    """Write a small model with weights large enough to bend its nonlinearities."""
    torch.manual_seed(seed)
    vectors = torch.randn(len(WORDS) + len(SPECIAL), 6)
    network = RecurrentNetwork(spec, vectors, hidden=5, bidirectional=spec.kind == "rnn")
    weights = {name: scale * tensor.numpy() for name, tensor in network.state_dict().items()}
    checkpoint.write(folder, spec, weights, Vocabulary(SPECIAL + WORDS))
    return folder


@pytest.fixture(scope="session", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("model"), MODELS[request.param])


@pytest.fixture(scope="session")
def model(folder: Path) -> RecurrentClassifier:
    return checkpoint.load(str(folder))


@dataclass(frozen=True)
class Result:
    out: str
    err: str
    code: int


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Run ``rnnx`` with these arguments and give back what it printed and its exit code."""

    def run(
        *argv: str,
        stdin: str | None = None,
        screen: bool = False,
        environ: Mapping[str, str] | None = None,
        width: int = 80,
    ) -> Result:
        out, err = (Screen(), Screen()) if screen else (io.StringIO(), io.StringIO())
        source = Screen() if stdin is None else io.StringIO(stdin)
        terminal = Terminal(source, out, err, environ or {}, width)
        code = main(argv, terminal)
        return Result(out.getvalue(), err.getvalue(), code)

    return run
