"""A file of texts to be labelled, as a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from rnnx import explaining
from rnnx.data.readers import Row
from rnnx.errors import Unexplained
from rnnx.jobs import Asking, Job, planned
from rnnx.models.texts import Text
from rnnx.render.predictions import FORMATS, Labelled
from rnnx.render.tally import Tally
from rnnx.types import Prediction


class Labelling(Asking):
    """Rows to predictions, counted beside the rows' own labels."""

    formats = FORMATS

    def answers(self, texts: Sequence[Text]) -> Iterator[Prediction | Unexplained]:
        """Predictions."""
        return iter(explaining.predictor(self.model)(texts))

    def record(self, number: int, row: Row, answer: Prediction) -> Labelled:
        """What is written of a row."""
        return Labelled(number, row, answer)

    def count(self, tally: Tally, record: Labelled) -> None:
        """Count a prediction."""
        tally.predicted(record.prediction, record.row.label)

    def elsewhere(self) -> Callable[[], Job]:
        """The plan is all that is needed."""
        return partial(planned, Labelling, self.plan)

    def describe(self) -> dict[str, Any]:
        """The model; no method, where explanations have one."""
        return {**super().describe(), "method": None}
