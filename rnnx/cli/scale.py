"""``rnnx explain --engine ray``: files to a folder of parts, by the processes of a ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnx.cli import inputs, jobs, sinks
from rnnx.cli.attending import Again
from rnnx.cli.files import Given, Shown, Work
from rnnx.cli.options import EXPLAINED, choice
from rnnx.cli.terminal import Terminal
from rnnx.data.rows import Ask
from rnnx.data.shards import Folder
from rnnx.errors import DataError, UsageError
from rnnx.render.tally import Tally, attended, reasons
from rnnx.render.writers import SUFFIXES, Style

if TYPE_CHECKING:
    from rnnx.jobs import Chunk, Job
    from rnnx.sharding import Reading

PARTS = {"jsonl": ".jsonl", "csv": ".csv", "csv-wide": ".csv", "tsv": ".tsv", "parquet": ".parquet"}


@dataclass(frozen=True)
class Ray:
    """Where the cluster is, if it is not to be started here; and what was said of a device, of which it has none."""

    address: str | None
    device: str | None


def explain(
    given: Given,
    shown: Shown,
    work: Work,
    terminal: Terminal,
    name: str | None,
    asked: Mapping[str, Any],
    again: Again,
    ray: Ray,
) -> None:
    """Explain files; ``asked`` is for ``explaining.explainer``."""
    if given.limit:
        raise UsageError("--engine ray explains whole files", "leave out --limit")
    style, folder = _style(given, shown), _folder(work, shown.format)
    if ray.device not in (None, "cpu"):
        raise UsageError(f"--engine ray computes with numpy, on the CPU, not on {ray.device}", "leave out --device")
    kind = inputs.suffix(given.kind)
    from rnnx import jobs as work_of
    from rnnx import scale, sharding
    from rnnx.models import catalog

    scale.ray()  # that it is missing is worth saying before anything else
    name = name or catalog.DEFAULT
    paths = _paths(given, folder, terminal)
    ask = Ask(inputs.text_fields(list(given.text), name), id=given.id, keep=given.keep, guess=not given.text)
    faults = inputs.Faults(terminal, strict=work.strict)
    inputs.started(inputs.read(list(paths), terminal, ask, kind), faults)
    plan = work_of.Plan(name, asked, style, ask.text, by=again.by, check=again.check)
    job = work_of.Explaining(plan, faults)
    reading = sharding.Reading(paths, ask, kind, str(Path.cwd()), sharding.WINDOWS, job.most)
    folder.check(_described(job, reading), resume=work.target.resume, force=work.target.force)
    tally = _run(job, reading, folder, work, terminal, faults, ray.address)
    if again.attention and tally.texts > 1:
        for line in attended(tally):
            terminal.say(line)


def _described(job: Job, reading: Reading) -> dict[str, Any]:
    """What the parts depend on beside the rows."""
    return {**job.describe(), "shard": reading.size}


def _run(
    job: Job, reading: Reading, folder: Folder, work: Work, terminal: Terminal, faults: inputs.Faults, at: str | None
) -> Tally:
    """Do the job, and count what comes of it; the errors are told in the order of the rows."""
    from rnnx import scale

    tally, watch, parts = Tally(), jobs.Watch(), 0

    def chunks(cluster: Any) -> Generator[Chunk, None, None]:
        for done in scale.done(cluster, job, reading, folder, work.workers):
            for line in done.said:
                terminal.say(line)
            watch.shares[done.chunk.end] = done.share
            yield done.chunk

    with scale.cluster(at, work.workers) as cluster, ExitStack() as stack:
        told = sinks.opened_at(work.target.errors, stack)
        folder.begin(_described(job, reading), force=work.target.force)
        try:
            found = stack.enter_context(closing(chunks(cluster)))
            for chunk in jobs.shown(found, watch, terminal, tally, quiet=False):
                parts += 1
                for what in chunk.left_out:
                    jobs.tell(what, faults)
                told(sinks.errors(chunk.left_out))
                tally.merge(chunk.tally)
            folder.ended(parts)
        except BaseException:
            terminal.say(f"what was done so far is in {folder.path}; the same command with --resume goes on")
            raise
    terminal.say(f"wrote {folder.path}: {tally.texts:,} texts in {parts:,} part{'s' * (parts != 1)}")
    faults.close(reasons(tally), work.target.errors)
    return tally


def _style(given: Given, shown: Shown) -> Style:
    """The format, JSON lines if none is asked for. Raises UsageError for one that has no parts."""
    choice("--format", shown.format, EXPLAINED)
    kind = "jsonl" if shown.format == "auto" else shown.format
    if kind not in PARTS:
        raise UsageError(f"--engine ray writes no {kind}", f"choose from {', '.join(PARTS)}; --from shows them later")
    return Style(kind, given.keep)


def _folder(work: Work, kind: str) -> Folder:
    """Where the parts go. Raises UsageError for flags that do not fit together, DataError for files that are there."""
    target = work.target
    if target.stdout:
        raise UsageError("--engine ray writes a folder of parts", "name it with --output FOLDER")
    path = Path(str(target.output))
    if path.suffix.lower() in {*SUFFIXES, ".gz"} or (path.exists() and not path.is_dir()):
        raise UsageError(f"--engine ray writes a folder of parts, not {path}", "name a folder; --format says how")
    if target.resume and target.force:
        raise UsageError("--resume goes on, --force begins again", "give one of them")
    if target.errors and Path(target.errors).is_file() and not (target.force or target.resume):
        raise DataError(f"{target.errors} is there already", "choose another name, or --force to replace it")
    return Folder(path, PARTS["jsonl" if kind == "auto" else kind])


def _paths(given: Given, folder: Folder, terminal: Terminal) -> tuple[Path, ...]:
    """The files that are read. Raises UsageError for what every process cannot read."""
    found = inputs.sources(given.arguments, terminal)
    paths = tuple(source for source in found if isinstance(source, Path))
    if len(paths) < len(found):
        raise UsageError("--engine ray explains files", "a text or a pipe is explained here, without it")
    if any(not path.is_file() for path in paths):
        raise DataError(f"{next(p for p in paths if not p.is_file())} is no ordinary file", "save it as one")
    if any(folder.path.resolve() in path.resolve().parents for path in paths):
        raise UsageError(f"{folder.path} would be read and written", "choose another --output")
    return paths
