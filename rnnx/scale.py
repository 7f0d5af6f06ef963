"""A job spread over the machines of a ray cluster, as a pipeline of Ray Data: shards of rows in, parts of a folder out.

A task reads, actors explain and write. Every process must see the files and the folder under the same names.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from rnnx import pool
from rnnx.data.shards import Folder
from rnnx.errors import ConfigError, DataError, RnnxError
from rnnx.jobs import Chunk, Job
from rnnx.sharding import Reading, Shard, part

STORE = 512 << 20  # bytes of rows on their way, of a ray of our own
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
HINT = "ray status says whether one runs; one that asks for a token has it from RAY_AUTH_TOKEN or its file"


class Done(NamedTuple):
    """What a shard comes to: counts, and the rest as it was."""

    chunk: Chunk
    share: float
    said: tuple[str, ...]


class Worker:
    """An actor, which makes the job once; ``described`` is what it must be."""

    def __init__(self, make: Callable[[], Job], described: Mapping[str, Any], folder: Folder, place: str) -> None:
        self.make, self.described, self.folder, self.place = make, described, folder, place
        self.job: Job | None = None

    def __call__(self, table: Any) -> Any:
        """Pickled shards, or what stopped their reading, to pickled ``Done``."""
        return _table([(row["number"], self._done(pickle.loads(row["content"]))) for row in table.to_pylist()])

    def _done(self, found: Shard | RnnxError) -> Done | RnnxError:
        if isinstance(found, RnnxError):
            return found
        try:
            _go(self.place)
            self.job = self.job or self._made()
            return Done(part(self.job, found, self.folder), found.share, found.said)
        except RnnxError as error:
            return _plain(error)

    def _made(self) -> Job:
        job = self.make()
        if job.describe() != self.described:
            raise ConfigError("a worker has another rnnx, numpy or model than this process", "install the same on all")
        return job


class Reader:
    """Reads pieces, each to tables of one pickled shard."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def __call__(self, batch: Mapping[str, Any]) -> Iterator[Any]:
        """The shards of the pieces; or, as the last, what stopped the reading."""
        for piece in map(pickle.loads, batch["piece"]):
            number = piece.shard
            try:
                _go(self.reading.place)
                for shard in self.reading.shards(piece):
                    yield _table([(shard.number, shard)])
                    number = shard.number + 1
            except RnnxError as error:
                yield _table([(number, _plain(error))])


def _go(place: str) -> None:
    try:
        os.chdir(place)
    except OSError as error:
        raise DataError(
            f"{place}: {error.strerror}, on a machine of the cluster", "all must see the files under the same names"
        ) from None


def _table(rows: Iterable[tuple[int, object]]) -> Any:
    import pyarrow

    numbers, contents = zip(*rows, strict=True)
    content = pyarrow.array([pickle.dumps(content) for content in contents], pyarrow.large_binary())
    return pyarrow.table({"number": pyarrow.array(numbers, pyarrow.int64()), "content": content})


def _plain(error: RnnxError) -> RnnxError:
    """An error that can be sent."""
    return RnnxError(error.message, error.hint)


def ray() -> Any:
    """The package, told to be quiet. Raises ConfigError where it is missing."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError:
        raise ConfigError("--engine ray needs ray", 'pip install "rnnx[ray]"') from None
    warnings.filterwarnings("ignore", category=UserWarning, module=r"ray\.")  # that there are fewer shards than actors
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


@contextmanager
def cluster(address: str | None, workers: int) -> Iterator[Any]:
    """Ray, at an address; or one of our own on this machine, which ends afterwards. Raises DataError, ConfigError."""
    found = ray()
    options: dict[str, Any] = {"address": address}
    if address:
        _reach(address)
    if address is None:
        for name in pool.THREADS:
            os.environ.setdefault(name, "1")  # which its processes inherit
        options = {
            "address": "local", "num_cpus": workers + 1, "object_store_memory": STORE, "include_dashboard": False,
        }  # fmt: skip
    try:
        found.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = f"no ray cluster at {address}" if address else "ray does not start"
        raise DataError(f"{where}: {str(error).partition(chr(10))[0]}", HINT) from None
    try:
        yield found
    finally:
        found.shutdown()


def _reach(address: str) -> None:
    """Raise DataError where nothing answers at host:port, for which ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise DataError(f"no ray cluster at {address}: {error.strerror or error}", HINT) from None


def done(ray: Any, job: Job, reading: Reading, folder: Folder, workers: int) -> Iterator[Done]:
    """What the shards come to, in order, by so many actors. Raises what a worker raises, if it is an RnnxError."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.target_max_block_size = 1  # a shard a block, as soon as it is read
    pieces = [{"piece": pickle.dumps(piece)} for piece in reading.pieces()]
    worker = (job.elsewhere(), job.describe(), folder, reading.place)
    found = (
        ray.data.from_items(pieces, override_num_blocks=len(pieces))
        .map_batches(Reader(reading).__call__, batch_size=1, num_cpus=0.5)  # another share than the actors': not one
        .map_batches(
            Worker,
            fn_constructor_args=worker,
            batch_size=1,
            batch_format="pyarrow",
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
        )
    )
    return _ordered((row["number"], pickle.loads(row["content"])) for row in found.iter_rows())


def _ordered(found: Iterable[tuple[int, Done | RnnxError]]) -> Iterator[Done]:
    """What comes in any order, by its number."""
    waiting: dict[int, Done | RnnxError] = {}
    turn = 0
    for number, what in found:
        waiting[number] = what
        while turn in waiting:
            now = waiting.pop(turn)
            if isinstance(now, RnnxError):
                raise now
            yield now
            turn += 1
