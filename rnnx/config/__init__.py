"""YAML config files: validated as a whole, every fault with its line."""

from rnnx.config.loading import Merged, Setting, load, merge
from rnnx.config.overrides import Override, parse
from rnnx.config.schema import Config, Data, Explain, Model, Source, Text, Training

__all__ = [
    "Config",
    "Data",
    "Explain",
    "Merged",
    "Model",
    "Override",
    "Setting",
    "Source",
    "Text",
    "Training",
    "load",
    "merge",
    "parse",
]
