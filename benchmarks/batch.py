"""Reviews a second of whole processes on files: start, reading, explaining and writing.

    python benchmarks/batch.py [--scale 1] [--only grad-x-input lrp ig occlusion] [--sets short long] [--workers 1 2]

The same LSTM (100 to 128, a sigmoid, random weights) explains the same files of random words, log-normal in length:
short reviews of some 20 tokens and long ones of some 230. ``rnnx`` is the command line; ``loop`` is a script around
``rnnx.explain`` that gives it one text at a time; ``captum`` is the job as its tutorials do it, text by text. Each
writes JSON lines with tokens and scores, and none judges them, so ``rnnx`` runs with --trust off; the default is
beside it. The peers are compared by the CPU time of all processes, as others may use the machine; ``--workers`` and
the default by the wall time. ``engine`` is the share of the CPU time of ``rnnx`` (without the start of Python, with
that of the model) that the model and the method take, measured in a run of its own. Captum has no LRP for an LSTM.
"""

from __future__ import annotations

import os

# Before the imports: the libraries read it as they load.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SETS = {"short": 20, "long": 230}  # median lengths
COUNTS = {
    "short": {"grad-x-input": 5000, "lrp": 5000, "ig": 1000, "occlusion": 1000},
    "long": {"grad-x-input": 500, "lrp": 500, "ig": 60, "occlusion": 40},
}
WORDS = 20_000


class Used(NamedTuple):
    """What a process took: CPU and wall seconds, and memory at its peak in MB."""

    cpu: float
    wall: float
    memory: float


def model(folder: Path) -> str:
    import torch

    from rnnx.models import checkpoint
    from rnnx.models.catalog import Spec
    from rnnx.text.vocabulary import SPECIAL, Vocabulary
    from rnnx.training.network import RecurrentNetwork

    torch.manual_seed(0)
    words = Vocabulary(SPECIAL + tuple(spelled(i) for i in range(WORDS)))
    spec = Spec("lstm", "last", ("negative", "positive"))
    network = RecurrentNetwork(spec, torch.randn(len(words), 100), hidden=128)
    checkpoint.write(folder, spec, {key: tensor.numpy() for key, tensor in network.state_dict().items()}, words)
    return str(folder)


def spelled(number: int) -> str:
    """A word for a number, of letters only, a token by itself."""
    return "w" + "".join(chr(ord("a") + int(digit)) for digit in str(number))


def write(path: Path, count: int, median: int) -> None:
    rng = random.Random(0)
    with path.open("w") as stream:
        for i in range(count):
            length = round(min(max(rng.lognormvariate(0, 0.5) * median, 3), 3 * median))
            text = " ".join(spelled(rng.randrange(WORDS)) for _ in range(length))
            stream.write(json.dumps({"id": i, "text": text}) + "\n")


def used(*argv: str) -> Used:
    """Run a command to its end."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen([sys.executable, "-P", *argv], stderr=subprocess.PIPE, text=True)
    _, err = process.communicate()
    if process.returncode:
        raise SystemExit(err)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = int(err.strip().splitlines()[-1]) if err.strip().splitlines()[-1].isdigit() else 0
    return Used(cpu, time.monotonic() - start, peak / 1024)


def texts(path: str) -> Iterator[str]:
    with open(path) as stream:
        for line in stream:
            yield json.loads(line)["text"]


def loop(method: str, folder: str, source: str, target: str) -> None:
    """One text at a time."""
    import rnnx

    loaded = rnnx.load(folder)
    with open(target, "w") as stream:
        for text in texts(source):
            for e in rnnx.explain(loaded, [text], method=method):
                stream.write(json.dumps(e.to_dict(), ensure_ascii=False) + "\n")


def captum(method: str, folder: str, source: str, target: str) -> None:
    """As the tutorials do it."""
    import torch
    from captum.attr import FeatureAblation, InputXGradient, LayerIntegratedGradients

    from rnnx.models import catalog
    from rnnx.text.tokenizer import words
    from rnnx.text.vocabulary import Vocabulary
    from rnnx.training.network import load_network

    network = load_network(folder)
    labels = catalog.read_spec(Path(folder)).labels
    vocabulary = Vocabulary(tuple((Path(folder) / "vocabulary.txt").read_text().split("\n")[:-1]))

    def forward(ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return network(ids, lengths.expand(len(ids)))[:, 0]

    def embedded(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return network.from_embeddings(x, lengths.expand(len(x)))[:, 0]

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            return forward(ids, lengths)

    tool = {
        "grad-x-input": lambda: InputXGradient(embedded),
        "ig": lambda: LayerIntegratedGradients(Module(), network.embedding),
        "occlusion": lambda: FeatureAblation(forward),
    }[method]()
    with open(target, "w") as stream:
        for text in texts(source):
            tokens = words(text)
            ids, lengths = torch.tensor([vocabulary.ids([t.text for t in tokens])]), torch.tensor([len(tokens)])
            p = torch.sigmoid(forward(ids, lengths)).item()
            given: dict[str, Any] = {"additional_forward_args": lengths}
            if method == "grad-x-input":
                scores = tool.attribute(network.embedding(ids).detach().requires_grad_(), **given).sum(-1)
            elif method == "ig":
                scores = tool.attribute(ids, torch.zeros_like(ids), n_steps=50, **given).sum(-1)
            else:
                scores = tool.attribute(ids, baselines=1, **given)
            line = {"text": text, "tokens": [t.text for t in tokens], "probability": p, "label": labels[int(p > 0.5)]}
            stream.write(json.dumps({**line, "scores": scores[0].tolist()}) + "\n")


def share(method: str, folder: str, source: str, target: str) -> None:
    """Print the share of the CPU time that the model and the method take, in percent."""
    from rnnx import explaining, registry
    from rnnx.cli import main
    from rnnx.models.engine.classifier import RecurrentClassifier

    spent = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **given: Any) -> Any:
            nonlocal spent
            start = time.process_time()
            try:
                return function(*args, **given)
            finally:
                spent += time.process_time() - start

        return run

    RecurrentClassifier.forward = timed(RecurrentClassifier.forward)  # type: ignore[method-assign]
    RecurrentClassifier.reading = timed(RecurrentClassifier.reading)  # type: ignore[method-assign]
    found = timed(registry.load(registry.method(method).function))
    explaining.registry.load = lambda name: found
    before = time.process_time()
    main(["explain", source, "--model", folder, "--method", method, "--output", target, "--force", "--trust", "off"])
    print(round(100 * spent / (time.process_time() - before)))


def compared(method: str, kind: str, folder: str, data: Path, scale: float, workers: list[int]) -> None:
    count = max(1, round(COUNTS[kind][method] * scale))
    source, out = str(data / f"{kind}-{method}.jsonl"), str(data / "out.jsonl")
    write(Path(source), count, SETS[kind])
    this, rest = str(Path(__file__)), (method, folder, source, out)
    rnnx = ("-m", "rnnx", "explain", source, "--model", folder, "--method", method, "--output", out, "--force")
    ran = {"loop": used(this, "--run", "loop", *rest)}
    if method != "lrp":
        ran["captum"] = used(this, "--run", "captum", *rest)
    ran["rnnx"] = used("-c", COMMAND, *rnnx[2:], "--trust", "off")
    ran["rnnx, trust"] = used("-c", COMMAND, *rnnx[2:])
    for number in workers:
        if number > 1:
            ran[f"rnnx, {number} workers"] = used(*rnnx, "--trust", "off", "--workers", str(number))
    done = subprocess.run([sys.executable, "-P", this, "--run", "share", *rest], capture_output=True, check=True)
    ours = ran["rnnx"]
    for name, took in ran.items():
        ratio = f"{took.cpu / ours.cpu:6.1f} x the time"
        if name.startswith("rnnx"):
            ratio = f"{ours.wall / took.wall:6.2f} x as fast" if name != "rnnx" else f"engine {int(done.stdout)} %"
        memory = f"{took.memory:6.0f} MB" if took.memory else ""
        rate = f"{count / took.cpu:9.1f} a CPU second {count / took.wall:9.1f} a second"
        print(f"{kind:6}{method:14}{count:6} {name:18}{rate} {memory:>10}  {ratio}", flush=True)


# Prints the peak of the process's memory in KB; getrusage would count that of its parent.
PEAK = """
import sys
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""
COMMAND = f"""
from rnnx.cli import main
import sys
code = main(sys.argv[1:])
{PEAK}
sys.exit(code)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of reviews")
    parser.add_argument("--only", nargs="+", default=list(COUNTS["short"]))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--workers", nargs="+", type=int, default=[2])
    parser.add_argument("--run", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        name, *rest = arguments.run
        {"loop": loop, "captum": captum, "share": share}[name](*rest)
        if name != "share":
            exec(PEAK)  # as in the command
        return
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        name = model(data / "model")
        for kind in arguments.sets:
            for method in arguments.only:
                compared(method, kind, name, data, arguments.scale, arguments.workers)


if __name__ == "__main__":
    main()
