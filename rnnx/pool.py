"""Several processes that do one kind of work, the results in order.

Each gets a piece of work only when it has finished the last, and few are begun beyond the one whose turn it is, so
memory does not grow. They are started anew (not forked, which is not safe beside the threads of libraries) and with one
thread each. A process that dies is noticed; when the caller leaves, they end.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from rnnx.errors import RnnxError

Task = TypeVar("Task")
Result = TypeVar("Result")
AHEAD = 4  # pieces of work a process that may be begun before the one whose turn it is
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def ordered(start: Callable[[], Callable[[Task], Result]], tasks: Iterable[Task], count: int) -> Iterator[Result]:
    """The results of tasks, in their order, by so many processes.

    Each process calls ``start``, which must be something that can be pickled, and then what that gives with each of its
    tasks. Raises what a task raises, if it is an RnnxError, and RnnxError if a process dies.
    """
    stream, more = iter(tasks), True
    ready: deque[tuple[int, Task]] = deque()
    done: dict[int, Result] = {}
    taken = given = 0  # how many tasks were taken, and how many results given
    with _workers(start, count) as workers:
        busy: dict[Connection, int] = {}
        while True:
            while more and len(ready) < count and taken - given < AHEAD * count:
                try:
                    ready.append((taken, next(stream)))
                    taken += 1
                except StopIteration:
                    more = False
                _send(workers, busy, ready)
            _send(workers, busy, ready)
            while given in done:
                yield done.pop(given)
                given += 1
            if busy:
                for pipe in wait(list(busy)):
                    if isinstance(pipe, Connection):
                        done[busy.pop(pipe)] = _received(pipe, workers)
            elif not more and given == taken:
                return


def _send(workers: dict[Connection, BaseProcess], busy: dict[Connection, int], ready: deque[tuple[int, Any]]) -> None:
    """Give each process that waits a task, while there are some."""
    for pipe in [pipe for pipe in workers if pipe not in busy]:
        if not ready:
            return
        number, task = ready.popleft()
        busy[pipe] = number
        try:
            pipe.send(task)
        except OSError:
            raise _dead(workers[pipe]) from None


def _received(pipe: Connection, workers: dict[Connection, BaseProcess]) -> Any:
    try:
        fine, found = pipe.recv()
    except (EOFError, OSError):
        raise _dead(workers[pipe]) from None
    if fine:
        return found
    if isinstance(found, str):
        raise RuntimeError(f"in a worker: {found}")
    raise RnnxError(*found)


def _dead(process: BaseProcess) -> RnnxError:
    process.join(5)
    code = process.exitcode
    why = f"signal {-code}" if code and code < 0 else f"exit code {code}"
    return RnnxError(f"a worker process died ({why})", "perhaps memory ran out: take fewer --workers, and --resume")


@contextmanager
def _workers(start: Callable[[], Any], count: int) -> Iterator[dict[Connection, BaseProcess]]:
    """So many processes by the pipes to them, ended when they are not needed any more."""
    context = get_context("spawn")
    workers: dict[Connection, BaseProcess] = {}
    before = {name: os.environ.get(name) for name in THREADS}
    try:
        os.environ.update(dict.fromkeys(THREADS, "1"))  # which they inherit
        for _ in range(count):
            ours, theirs = context.Pipe()
            process: BaseProcess = context.Process(target=_work, args=(start, theirs), daemon=True)
            process.start()
            theirs.close()  # so that the death of its owner is seen
            workers[ours] = process
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        yield workers
    finally:
        for pipe, process in workers.items():
            process.terminate()
            pipe.close()
        for process in workers.values():
            process.join()


def _work(start: Callable[[], Callable[[Any], Any]], pipe: Connection) -> None:
    """What a process does until the other side goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started us
    work: Callable[[Any], Any] | None = None
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        answer: tuple[bool, Any]
        try:
            work = work or start()
            answer = True, work(task)
        except RnnxError as error:
            answer = False, (error.message, error.hint)
        except Exception:
            answer = False, traceback.format_exc()
        try:
            pipe.send(answer)
        except OSError:
            return
