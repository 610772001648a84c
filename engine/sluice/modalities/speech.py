"""Speech: found in a clip, transcribed, read as the post's own text is, its evidence time ranges in the clip."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sluice.contract import TEXT_ENCODER
from sluice.errors import PartLate
from sluice.features import SAMPLE_RATE_HZ, Features, Speech, TextRow
from sluice.inference import Arrays
from sluice.modalities.base import Modality, Part
from sluice.modalities.text import TextModality
from sluice.schema import AudioEvidence, Post
from sluice.speech.transcript import Segment

MAX_WAITING_S = 600.0
"""Of speech that waits to be transcribed, or is being transcribed. What is behind it would be late anyway."""
_UNCLEAR_SHARE = 1 / 3
"""Of the speech of a clip: less that nobody can understand is what every recording of a street has."""


class Transcriber(Protocol):
    """Where speech becomes text."""

    async def transcribe(self, samples: npt.NDArray[np.int16]) -> list[Segment]:
        """What is said in samples, shape = (n,), in order; raises `PartFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class Talk:
    """What is said in a clip.

    Attributes
    ----------
    speech : Speech
    segments : tuple of Segment
        In seconds of `speech.samples`.
    """

    speech: Speech
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """All of it; segments follow one another as in a sentence."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    def times(self, start: int, end: int) -> list[tuple[float, float]]:
        """From when to when in the clip the segments are that hold characters [start, end) of `text`."""
        found: list[tuple[float, float]] = []
        place = 0
        for segment in filter(lambda each: each.text, self.segments):
            if place < end and start < place + len(segment.text):
                found += self.speech.places(segment.start_s, segment.end_s)
            place += len(segment.text) + 1
        return found

    def describe_rest(self) -> str | None:
        """What was not read; None where that is nothing, or next to nothing."""
        read_s = len(self.speech.samples) / SAMPLE_RATE_HZ
        if self.speech.left_out_s >= 1:
            return f"{read_s:.0f} of {read_s + self.speech.left_out_s:.0f} s of speech read"
        unclear_s = sum(segment.end_s - segment.start_s for segment in self.segments if not segment.text)
        if unclear_s > _UNCLEAR_SHARE * read_s:
            return f"{min(unclear_s, read_s):.0f} of {read_s:.0f} s of speech cannot be understood"
        return None


@dataclass(frozen=True, slots=True)
class SpokenRow:
    """One window of the text that is spoken in a clip.

    Attributes
    ----------
    row : TextRow
    talk : Talk
        All that is said.
    """

    row: TextRow
    talk: Talk

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """See `Row.arrays`."""
        return self.row.arrays


class SpeechModality(Modality[Speech, SpokenRow]):
    """The speech in the post's clips.

    Parameters
    ----------
    transcriber : Transcriber
    text : TextModality
        What becomes of a text, wherever it comes from.
    """

    name = "speech"
    model = TEXT_ENCODER
    kind = TextModality.kind
    extract_stage = "read"

    def __init__(self, transcriber: Transcriber, text: TextModality) -> None:
        self._transcriber = transcriber
        self._text = text
        self._waiting_s = 0.0

    def parts(self, post: Post) -> Sequence[Part]:
        """None by themselves: clips have them."""
        return []

    @asynccontextmanager
    async def fetch(self, part: Part) -> AsyncIterator[Speech]:
        """The speech, unless so much waits that this would be late; raises `PartLate`."""
        speech_s = len(part.source.samples) / SAMPLE_RATE_HZ
        if self._waiting_s + speech_s > MAX_WAITING_S:
            raise PartLate
        self._waiting_s += speech_s
        try:
            yield part.source
        finally:
            self._waiting_s -= speech_s

    async def extract(self, source: Speech) -> Features[SpokenRow]:
        """Rows of what is said; none where nothing can be understood."""
        talk = Talk(source, tuple(await self._transcriber.transcribe(source.samples)))
        if not talk.text:
            return Features((), talk.describe_rest())
        features = await self._text.extract(talk.text)
        return Features(
            rows=tuple(SpokenRow(row, talk) for row in features.rows),
            partial="; ".join(filter(None, (talk.describe_rest(), features.partial))) or None,
            languages=features.languages,
            wider={place: SpokenRow(row, talk) for place, row in features.wider.items()},
        )

    def keep(self, row: SpokenRow) -> SpokenRow:
        """See `Modality.keep`: the words and when they are said, not the sound."""
        speech = replace(row.talk.speech, samples=row.talk.speech.samples[:0].copy())
        return replace(row, talk=replace(row.talk, speech=speech))

    def evidence(
        self, part: Part, rows: Sequence[SpokenRow], outputs: Sequence[Arrays], label: str
    ) -> tuple[AudioEvidence, ...]:
        """When it is said: the segments that hold what stands out in the text, each once."""
        talk = rows[0].talk
        spans = self._text.evidence(replace(part, source=talk.text), [row.row for row in rows], outputs, label)
        times = dict.fromkeys(time for span in spans for time in talk.times(span.start, span.end))
        return tuple(AudioEvidence(part.index, round(start, 2), round(end, 2)) for start, end in times)
