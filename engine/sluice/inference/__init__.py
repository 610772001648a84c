"""The seam to the models: `Classifier`. `triton` holds the real one, `fake` the one for tests.

Callers hand over rows, never batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy.typing as npt

from sluice.contract import ModelSpec

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
"""Tensors of one row by name, without the batch axis."""


@dataclass(frozen=True)
class Clearance:
    """Which texts the first stage may clear, as its configuration says.

    Attributes
    ----------
    languages : mapping of str to float
        By the language of a text, as `Language.code` has it, the suspicion below which it is plainly benign.
    thresholds : mapping of str to float
        By label, the scores from which on a text counted as found when the stage was measured; one that is missing
        counted for nothing.
    """

    languages: Mapping[str, float]
    thresholds: Mapping[str, float]

    @cached_property
    def key(self) -> bytes:
        """Equal for two that allow the same."""
        return repr((sorted(self.languages.items()), sorted(self.thresholds.items()))).encode()


class Classifier(Protocol):
    """Where rows become scores."""

    async def infer(self, model: ModelSpec, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        """Run rows through a model.

        Parameters
        ----------
        rows : sequence of mappings
            At least one; the model's inputs by name, without the batch axis.
        deadline : float
            On the running loop's clock, in seconds.

        Returns
        -------
        list of mappings
            The model's outputs by name, one per row, in order.

        Raises
        ------
        InferenceUnavailable
            The server cannot be reached; the same call may succeed later.
        InferenceLate
            The deadline came first.
        InferenceError
            The server refused the rows.
        """
        ...

    async def confirm(self, max_age_s: float = 0.0) -> None:
        """Return if every model has answered within the last `max_age_s` seconds, or answers now.

        Raises
        ------
        InferenceUnavailable
            One does not; says which, and why.
        """
        ...

    async def recovered(self, model: str) -> None:
        """Return once the model of that name answers; it is probed meanwhile."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Version of each model that answered last, by name."""
        ...

    @property
    def languages(self) -> tuple[str, ...] | None:
        """Codes of the languages that the text encoder was measured on; None if it does not say."""
        ...

    @property
    def clearance(self) -> Clearance | None:
        """Which texts the first stage may clear; None where there is none, or it has not said."""
        ...
