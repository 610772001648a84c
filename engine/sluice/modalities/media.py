"""What images and clips have in common: they are fetched by reference, held for a while, and decoded one by one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar, Protocol

from sluice.bytebudget import ByteBudget, Lease
from sluice.errors import MediaRefused
from sluice.features import Features, RowT
from sluice.modalities.base import Modality, Part
from sluice.modalities.extraction import Runner
from sluice.schema import Media, Post


class Fetcher(Protocol):
    """Where the bytes behind a URI come from."""

    async def fetch(self, uri: str, lease: Lease) -> bytes:
        """Bytes behind `uri`, for which `lease` grows; raises `PartFailed`."""
        ...


class MediaSource:
    """The media of all posts, no more of them in memory at once than there is room for.

    Parameters
    ----------
    max_bytes : int
        Of all media that are being fetched or wait to be decoded.
    """

    def __init__(self, fetcher: Fetcher, max_bytes: int) -> None:
        self._fetcher = fetcher
        self._memory = ByteBudget(max_bytes)

    @asynccontextmanager
    async def hold(self, uri: str) -> AsyncIterator[bytes]:
        """Bytes behind `uri`, which take their room until the context ends; raises `PartFailed`."""
        async with self._memory.lease() as lease:
            yield await self._fetcher.fetch(uri, lease)


class MediaModality(Modality[bytes, RowT]):
    """A modality whose parts are media.

    Parameters
    ----------
    media : MediaSource
    run : Runner
    decode : callable
        Bytes to features; raises `PartFailed`.

    Attributes
    ----------
    n_read : int
        How many of one post are read; further ones fail, each by its name.
    plural : str
        What people call them.
    """

    n_read: ClassVar[int]
    plural: ClassVar[str]

    def __init__(self, media: MediaSource, run: Runner, decode: Callable[[bytes], Features[RowT]]) -> None:
        self._media = media
        self._run = run
        self._decode = decode

    @abstractmethod
    def media_of(self, post: Post) -> Sequence[Media]:
        """The post's media of this kind."""

    def parts(self, post: Post) -> Sequence[Part]:
        """One part per reference."""
        return [Part(self, f"{self.name}:{i}", media.uri, i) for i, media in enumerate(self.media_of(post))]

    def fetch(self, part: Part) -> AbstractAsyncContextManager[bytes]:
        """See `Modality.fetch`."""
        if part.index >= self.n_read:
            raise MediaRefused("too_many", f"only {self.n_read} {self.plural} are read")
        return self._media.hold(part.source)

    async def extract(self, source: bytes) -> Features[RowT]:
        """See `Modality.extract`."""
        return await self._run(self._decode, source)
