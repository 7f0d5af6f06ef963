"""A model by its name, computed by one of the engines."""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Literal, get_args, overload

from rnnx.errors import UsageError
from rnnx.models import catalog, checkpoint
from rnnx.models.engine.classifier import RecurrentClassifier

if TYPE_CHECKING:
    from rnnx.models.function import FunctionClassifier
    from rnnx.models.torch_engine.classifier import TorchRecurrent

Name = str | PathLike[str]
Engine = Literal["numpy", "torch"]
Device = Literal["auto", "cpu", "cuda"]


@overload
def load(name: Name, *, device: Literal["cpu"] | None = None) -> RecurrentClassifier: ...
@overload
def load(name: Name, *, engine: Literal["numpy"], device: Literal["cpu"] | None = None) -> RecurrentClassifier: ...
@overload
def load(
    name: Name, *, engine: str | None = None, device: str | None = None
) -> RecurrentClassifier | TorchRecurrent | FunctionClassifier: ...


def load(
    name: Name, *, engine: str | None = None, device: str | None = None
) -> RecurrentClassifier | TorchRecurrent | FunctionClassifier:
    """The model of a shipped name or the folder of a training run, or a function of texts, ``module:function``.

    ``engine`` numpy (the default) starts at once; torch gives the same numbers, also on a GPU. ``device`` is cpu, cuda,
    or auto: a GPU if there is one. A device other than cpu means torch. Raises ModelError; UsageError for an engine or
    a device that is not there.
    """
    _check("engine", engine, get_args(Engine))
    _check("device", device, get_args(Device))
    if catalog.is_function(fspath(name)):
        return _function(fspath(name), engine or device)
    if engine is None:
        engine = "torch" if device in ("auto", "cuda") else "numpy"
    if engine == "numpy":
        if device == "cuda":
            raise UsageError("the numpy engine computes on the CPU", "for the device cuda use the engine torch")
        return checkpoint.load(name)
    try:
        from rnnx.training import engine as torch_engine
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UsageError("the engine torch needs torch, which is not installed", "pip install torch") from None
    return torch_engine.load(fspath(name), device or "auto")


def _function(name: str, asked: str | None) -> FunctionClassifier:
    from rnnx.models import function

    if asked:
        raise UsageError(f"{name} is a function, which computes by itself", "leave out --engine and --device")
    return function.load(name)


def _check(what: str, given: str | None, known: tuple[str, ...]) -> None:
    if given is not None and given not in known:
        raise UsageError(f"unknown {what} {given!r}", f"choose from {', '.join(known)}")
