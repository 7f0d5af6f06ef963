"""Where torch computes."""

from __future__ import annotations

import torch


def find(name: str) -> torch.device | None:
    """The device cpu, cuda, or with auto a GPU if torch finds one; None for a GPU that it does not find."""
    gpu = torch.cuda.is_available()
    if name == "cuda" and not gpu:
        return None
    return torch.device("cuda" if name != "cpu" and gpu else "cpu")
