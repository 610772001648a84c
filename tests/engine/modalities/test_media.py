"""Media are fetched by reference, held while they are decoded, and no more of them than there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sluice.bytebudget import Lease
from sluice.contract import IMAGE_ENCODER
from sluice.errors import MediaRefused, MediaUnavailable
from sluice.features import Features, ImageRow
from sluice.modalities.base import Part
from sluice.modalities.media import MediaModality, MediaSource
from sluice.schema import Evidence, Media, Post


class FakeFetcher:
    """Gives the URI's own bytes, and takes room for them; ``gone:`` cannot be fetched."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    async def fetch(self, uri: str, lease: Lease) -> bytes:
        if uri.startswith("gone:"):
            raise MediaUnavailable("not_found", "404")
        await lease.grow(len(uri))
        self.fetched.append(uri)
        return uri.encode()


class Stills(MediaModality[ImageRow]):
    """A modality of which two per post are read."""

    name = "still"
    plural = "stills"
    model = IMAGE_ENCODER
    kind = 1
    n_read = 2

    def media_of(self, post: Post) -> Sequence[Media]:
        return post.images

    def evidence(self, part, rows, outputs, label: str) -> tuple[Evidence, ...]:
        return ()


async def run_here(extract, source):
    return extract(source)


def make_stills(fetcher: FakeFetcher | None = None, max_bytes: int = 100, decode=lambda content: Features((content,))):
    source = MediaSource(fetcher or FakeFetcher(), max_bytes)
    return source, Stills(source, run_here, decode)


def post_with(*uris: str) -> Post:
    return Post(id="p", images=tuple(map(Media, uris)))


def test_parts_are_numbered_by_kind_and_keep_their_uri() -> None:
    _, stills = make_stills()
    parts = stills.parts(post_with("a:1", "a:2", "a:3"))
    assert [(part.name, part.source, part.index) for part in parts] == [
        ("still:0", "a:1", 0),
        ("still:1", "a:2", 1),
        ("still:2", "a:3", 2),
    ]
    assert stills.parts(Post(id="p", text="none")) == []


async def test_bytes_come_from_the_fetcher_and_are_decoded_by_the_runner() -> None:
    fetcher = FakeFetcher()
    _, stills = make_stills(fetcher)
    (part,) = stills.parts(post_with("a:1"))
    async with stills.fetch(part) as content:
        features = await stills.extract(content)
    assert (content, features.rows, fetcher.fetched) == (b"a:1", (b"a:1",), ["a:1"])


def test_those_beyond_what_is_read_are_refused_unfetched() -> None:
    fetcher = FakeFetcher()
    _, stills = make_stills(fetcher)
    third = stills.parts(post_with("a:1", "a:2", "a:3"))[2]
    with pytest.raises(MediaRefused, match="only 2 stills are read") as caught:
        stills.fetch(third)
    assert (caught.value.reason, fetcher.fetched) == ("too_many", [])


async def test_room_is_taken_while_media_are_held_and_given_back_after() -> None:
    source, _ = make_stills(max_bytes=100)
    async with source.hold("a:" + "x" * 58):
        assert source._memory.used == 60
    assert source._memory.used == 0


@pytest.mark.parametrize("uri", ["gone:x", "a:x"])
async def test_room_is_given_back_after_a_failure(uri: str) -> None:
    source, _ = make_stills()
    with pytest.raises((MediaUnavailable, RuntimeError)):
        async with source.hold(uri):
            raise RuntimeError("the decoder broke")
    assert source._memory.used == 0


async def test_media_wait_until_others_have_been_decoded() -> None:
    fetcher = FakeFetcher()
    source, _ = make_stills(fetcher, max_bytes=10)
    first_is_held, let_go = asyncio.Event(), asyncio.Event()

    async def hold_first() -> None:
        async with source.hold("a:first!"):
            first_is_held.set()
            await let_go.wait()

    async def hold_second() -> bytes:
        async with source.hold("a:second") as content:
            return content

    first = asyncio.create_task(hold_first())
    await first_is_held.wait()
    second = asyncio.create_task(hold_second())
    await asyncio.sleep(0)
    assert fetcher.fetched == ["a:first!"]
    let_go.set()
    assert await asyncio.wait_for(second, 10) == b"a:second"
    await first


async def test_one_larger_than_all_the_room_goes_alone() -> None:
    source, _ = make_stills(max_bytes=10)
    async with source.hold("a:" + "x" * 100) as content:
        assert len(content) == 102
        assert source._memory.used == 10


async def test_what_a_decoder_raises_is_the_parts_failure() -> None:
    def refuse(content: bytes) -> Features:
        raise MediaRefused("too_large", "over the limit")

    _, stills = make_stills(decode=refuse)
    with pytest.raises(MediaRefused, match="over the limit"):
        await stills.extract(b"x")


def test_a_part_belongs_to_its_modality() -> None:
    _, stills = make_stills()
    (part,) = stills.parts(post_with("a:1"))
    assert isinstance(part, Part)
    assert part.modality is stills
