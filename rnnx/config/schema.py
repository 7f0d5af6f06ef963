"""What a config may say: the sections, their settings, and what each value must be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from rnnx.config.kinds import (
    MOST,
    NUMBER,
    Factor,
    Fields,
    Folder,
    Label,
    Positive,
    Seed,
    Share,
    Size,
    Weights,
    Wrong,
    refuse,
    strange,
)
from rnnx.settings import Of


class Section(BaseModel):
    """A part of a config: unknown keys are faults, a number is also a text, and a loaded config never changes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,
        use_attribute_docstrings=True,
    )


class Source(Section):
    """Labelled texts; a path alone may stand for it."""

    path: Annotated[str, Field(min_length=1)]
    """A file (.jsonl .json .csv .tsv .parquet .txt, also .gz), a folder with a folder or a file a class, or a
    Hugging Face data set: hf:NAME or hf:NAME:CONFIGURATION.
    """
    label: Label | None = None
    """The label of all texts in it, for a file that has none of its own."""
    split: str = "train"
    """Of a Hugging Face data set."""
    passes: Annotated[float, Field(gt=0, le=1000), NUMBER] = 1.0
    """An epoch goes over it so many times; 0.5 is a random half."""

    def brief(self) -> str | dict[str, Any]:
        """What is not a default, as a config would say it."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        return self.path if said.keys() == {"path"} else said


def _source(given: Any) -> Any:
    return given if isinstance(given, dict | Source) else {"path": given}


Sources = list[Annotated[Source, BeforeValidator(_source, json_schema_input_type=str | Source)]]


class Data(Section):
    """Where the texts are."""

    folder: str = "."
    """Where relative paths start; itself relative to the current directory."""
    train: Annotated[Sources, Field(min_length=1)]
    """What to learn from."""
    dev: Sources = []
    """What chooses the best epoch."""
    dev_share: Share = 0.1
    """Split off the training texts, the same share of every label, where no dev is given."""
    test: Sources = []
    """What the finished model is measured on, once."""
    test_share: Share = 0.0
    """Split off the training texts where no test is given."""
    text: Fields = ["text"]
    """The field with the text, or several whose texts are joined."""
    label: str = "label"
    """The field with the label."""
    labels: Annotated[list[Label], Field(min_length=2)] | None = None
    """All labels, in the order of the classes; by default those of the training texts, sorted."""

    @model_validator(mode="after")
    def _fits(self) -> Data:
        refuse(self._misfits())
        return self

    def _misfits(self) -> Iterable[Wrong]:
        """What does not fit together in here."""
        if self.dev_share + self.test_share >= 1:
            larger = "dev_share" if self.dev_share >= self.test_share else "test_share"
            yield (larger,), "dev_share and test_share leave nothing to train on"
        labels = self.labels or []
        for i, label in enumerate(labels):
            if label in labels[:i]:
                yield ("labels", i), f"each label may stand there once, not {label!r} again"

    @property
    def fields(self) -> tuple[str, ...]:
        """The text fields, one or more."""
        return tuple(self.text)


class Text(Section):
    """How texts become ids."""

    tokenizer: Literal["words", "characters", "jieba"] = "words"
    """words: for languages with blanks, a Chinese character a token; jieba: Chinese words."""
    lowercase: bool = True
    """Whether Good and good are one word of the vocabulary."""
    vocabulary: Positive = 20_000
    """The most frequent words, so many at most."""
    min_count: Positive = 2
    """Rarer words of the training texts are unknown ones."""
    vectors: str | None = None
    """First embeddings: a text file as of GloVe or word2vec, an .npy file with its words in a .txt file beside it,
    package:NAME, or a model.
    """
    vector_scale: Factor = 1.0
    """What the vectors are multiplied by."""
    fill: bool = False
    """Fill the vocabulary up with the vectors' most frequent words."""


class Model(Section):
    """The network."""

    kind: Literal["lstm", "gru", "rnn", "rnn-relu"] = "lstm"
    """rnn is h_t = tanh(W x_t + U h_(t-1) + b); rnn-relu has max(0, .) in place of tanh."""
    layers: Annotated[int, Field(ge=1, le=3), NUMBER] = 1
    """One above the other."""
    bidirectional: bool = False
    """Whether every layer also reads from the end to the beginning."""
    pooling: Literal["last", "mean", "max", "attention", "dot-attention"] = "last"
    """What is made of the top layer's states: the last one, their mean, each unit's maximum, or an attended sum, by
    additive or by scaled dot-product attention.
    """
    heads: Annotated[int, Field(ge=1, le=16), NUMBER] = 1
    """Of attention: each weighs the tokens for its own share of the units; must divide hidden."""
    output: Literal["auto", "sigmoid", "softmax"] = "auto"
    """sigmoid: one logit, for two classes; softmax: one a class; auto: sigmoid for two, else softmax."""
    embedding: Size = 50
    """Size of the embeddings, where no text.vectors give it."""
    hidden: Size = 128
    """Units of a layer and direction."""
    embedding_dropout: Share = 0.2
    dropout: Share = 0.4
    """Between the layers, and before the output."""

    @model_validator(mode="after")
    def _fits(self) -> Model:
        refuse(self._misfits())
        return self

    def _misfits(self) -> Iterable[Wrong]:
        """What does not fit together in here."""
        if self.heads > 1 and "attention" not in self.pooling:
            yield ("heads",), f"only attention has heads, and pooling is {self.pooling}"
        elif self.hidden % self.heads:
            yield ("heads",), f"{self.heads} heads cannot share {self.hidden} units evenly"


class Training(Section):
    """How it is trained; what is kept are averaged weights."""

    epochs: Positive = 5
    """At most."""
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: Annotated[float, Field(ge=0, le=1e6), NUMBER] = 0.0
    learning_rate: Factor = 2e-3
    """The largest, after the warm-up."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup: Annotated[int, Field(ge=0, le=MOST), NUMBER] = 200
    """Steps, at most a tenth of all."""
    batch_tokens: Positive = 6_000
    """Tokens of a batch, padding included."""
    batch_texts: Positive = 256
    """Texts of a batch, at most."""
    max_tokens: Positive = 300
    """Longer texts are cropped while training."""
    word_dropout: Share = 0.1
    """Share of the words of longer texts that become unknown words."""
    clip: Annotated[float, Field(gt=0), NUMBER] = 1.0
    """The gradient's greatest length."""
    class_weights: Weights | None = None
    """What a text counts by its label: label: weight, or balanced, in inverse proportion to the label's texts."""
    average: Share = 0.999
    """Decay of the moving average of the weights, a step."""
    patience: Positive = 3
    """Epochs without progress on the dev texts before training stops."""
    best: Literal["accuracy", "macro_f1", "log_loss"] = "accuracy"
    """What progress on the dev texts is."""
    save_every: Annotated[float, Field(gt=0), NUMBER] = 30.0
    """Seconds between the checkpoints that --resume starts from."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(gt=0, le=256), NUMBER] = 2
    """Of the CPU, at most as many as it has cores. benchmarks/threads.py measures what serves best."""
    teachers: list[str] = []
    """Models whose mean opinion is learnt too."""
    teacher_weight: Annotated[float, Field(ge=0, le=1), NUMBER] = 0.7
    """How much the teachers count beside the label."""


def _unquoted(given: Any) -> Any:
    return "off" if given is False else given  # which is what YAML makes of off


class Explain(Section):
    """Defaults of rnnx explain --config."""

    model: str | None = None
    """A shipped model, or the folder of a training run."""
    method: str | None = None
    target: Label | None = None
    """The label to explain; by default the predicted one."""
    view: str | None = None
    seed: Seed | None = None
    of: Of | None = None
    """What is explained: the target's logit, probability or loss."""
    trust: Annotated[Literal["off", "fast", "full"], BeforeValidator(_unquoted)] | None = None
    """Whether to say if an explanation is to be believed: fast, measured in full, or off."""
    settings: dict[str, Any] = {}
    """Of the method, as --set."""


class Config(Section):
    """What rnnx train and rnnx explain --config read."""

    output: Folder | None = None
    """The folder that rnnx train writes."""
    seed: Seed = 0
    half: bool = False
    """Whether the weights are stored in half precision."""
    data: Data | None = None
    text: Text = Text()
    model: Model = Model()
    training: Training = Training()
    explain: Explain = Explain()

    @field_validator("model")
    @classmethod
    def _as_many_logits(cls, model: Model, info: ValidationInfo) -> Model:
        data = info.data.get("data")
        if data and data.labels and len(data.labels) > 2 and model.output == "sigmoid":
            refuse([(("output",), f"sigmoid is for two classes, and data.labels has {len(data.labels)}; say auto")])
        return model

    @field_validator("training")
    @classmethod
    def _weights_of_labels(cls, training: Training, info: ValidationInfo) -> Training:
        data, weights = info.data.get("data"), training.class_weights
        if data and isinstance(weights, dict):
            refuse((("class_weights", label), words) for label in weights for words in strange(label, data.labels))
        return training
