"""Why does a text classifier decide as it does, and can the explanation be believed?

    import rnnx
    model = rnnx.load("sentiment-attention")
    for explanation in rnnx.explain(model, ["not bad at all"], method="grad-x-input"):
        print(explanation.tokens, explanation.evidence.scores)

Names are imported when they are first used: ``import rnnx`` itself costs nothing, and only
``load_network`` and ``load`` with ``engine="torch"`` import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnx.comparing import compare as compare
    from rnnx.comparing import compare_models as compare_models
    from rnnx.explaining import explain as explain
    from rnnx.explaining import predict as predict
    from rnnx.loading import load as load
    from rnnx.models.function import wrap as wrap
    from rnnx.training.network import load_network as load_network

__version__ = "0.1.0"

_HOMES = {
    "compare": "rnnx.comparing",
    "compare_models": "rnnx.comparing",
    "load": "rnnx.loading",
    "predict": "rnnx.explaining",
    "explain": "rnnx.explaining",
    "load_network": "rnnx.training.network",
    "wrap": "rnnx.models.function",
}
__all__ = ["__version__", "compare", "compare_models", "explain", "load", "load_network", "predict", "wrap"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'rnnx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
