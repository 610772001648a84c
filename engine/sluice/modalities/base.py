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
    read_by : tuple of ModelSpec
        Models that read its rows out of something else before.
    extract_stage : str
        As metrics and latencies call the time that `extract` takes.
    """

    name: ClassVar[str]
    model: ClassVar[ModelSpec]
    kind: ClassVar[int]
    read_by: ClassVar[tuple[ModelSpec, ...]] = ()
    extract_stage: ClassVar[str] = "extract"

    @abstractmethod
    def parts(self, post: Post) -> Sequence[Part]:
        """Parts of this kind in a post, in order."""

    @abstractmethod
    def fetch(self, part: Part) -> AbstractAsyncContextManager[SourceT]:
        """What is to be decoded, held until the context ends; raises `PartFailed`."""

    @abstractmethod
    async def extract(self, source: SourceT) -> Features[RowT]:
        """Rows for the encoder; raises `PartFailed` and `InferenceError`. Long work belongs off the event loop."""

    def found_in(self, part: Part, features: Features[RowT]) -> Part | None:
        """What is scored besides, as a part of another modality under the same name: the text in an image."""
        return None

    @property
    def hashing(self) -> AnyModality:
        """The same that also says what the looks of its parts are known by; itself where it has nothing to say."""
        return self

    @property
    def kept_as(self) -> str:
        """Equal for those of which one's scored parts do for the other, if their models are the same."""
        return self.name

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """Every model that what comes of a part depends on, before the fusion."""
        return (*self.read_by, self.model)

    def keep(self, row: RowT) -> RowT:
        """What `evidence` needs of a row, once it is scored."""
        return row

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
    source
        The text itself, the media's URI, or what was found in another part.
    index : int
        Among the post's parts of this kind.
    """

    modality: AnyModality
    name: str
    source: Any
    index: int = 0


def inputs_of(model: ModelSpec, row: Row) -> Arrays:
    """The tensors of a row, as its encoder names them."""
    return {tensor.name: array for tensor, array in zip(model.inputs, row.arrays, strict=True)}
