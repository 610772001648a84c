"""What a modality is: the one object that knows a kind of part from the post to the evidence in the verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from sluice.contract import ModelSpec
from sluice.features import Features, Row, RowT
from sluice.inference import Arrays
from sluice.schema import Evidence, Post

SourceT = TypeVar("SourceT")
"""What is decoded: text, or the bytes of media."""


class Modality(ABC, Generic[SourceT, RowT]):
    """One kind of part.

    Attributes
    ----------
    name : str
        As verdicts and metrics call it.
    model : ModelSpec
        The encoder that scores its rows.
    kind : int
        Its number in the fusion model's ``kind`` input.
    """

    name: ClassVar[str]
    model: ClassVar[ModelSpec]
    kind: ClassVar[int]

    @abstractmethod
    def parts(self, post: Post) -> Sequence[Part]:
        """Parts of this kind in a post, in order."""

    @abstractmethod
    def fetch(self, part: Part) -> AbstractAsyncContextManager[SourceT]:
        """What is to be decoded, held until the context ends; raises `PartFailed`."""

    @abstractmethod
    async def extract(self, source: SourceT) -> Features[RowT]:
        """Rows for the encoder; raises `PartFailed`. Long work belongs off the event loop."""

    @abstractmethod
    def evidence(self, part: Part, rows: Sequence[RowT], outputs: Sequence[Arrays], label: str) -> tuple[Evidence, ...]:
        """Where in the part the encoder saw a label; `rows` and `outputs` have one entry per row."""


AnyModality = Modality[Any, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One text, image or clip of a post.

    Attributes
    ----------
    name : str
        As verdicts call it: ``text``, ``image:0``, ``audio:3``.
    source : str
        The text itself, or the media's URI.
    index : int
        Among the post's parts of this kind.
    """

    modality: AnyModality
    name: str
    source: str
    index: int = 0


def inputs_of(model: ModelSpec, row: Row) -> Arrays:
    """The tensors of a row, as its encoder names them."""
    return {tensor.name: array for tensor, array in zip(model.inputs, row.arrays, strict=True)}
