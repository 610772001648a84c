import asyncio
import base64
import os
import socket
import threading
from pathlib import Path
from unittest import mock

import fsspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from sluice.bytebudget import ByteBudget, Lease
from sluice.config import MediaConfig
from sluice.errors import MediaInvalid, MediaRefused, MediaUnavailable, PartFailed
from sluice.media import fetcher as media
from sluice.media.downloads import Downloads, limits_of
from sluice.media.fetcher import MediaFetcher, decode_data_uri, read_file

BODY = bytes(range(256)) * 4
STORE = "memory://store/media"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "below").mkdir(parents=True)
    (root / "below" / "picture.png").write_bytes(BODY)
    (tmp_path / "outside.png").write_bytes(b"secret")
    return root


async def fetch(uri: str, config: MediaConfig) -> bytes:
    fetcher, budget = MediaFetcher(config), ByteBudget(2**30)
    try:
        async with budget.lease() as lease:
            content = await fetcher.fetch(uri, lease)
            assert budget.used == (0 if uri[:5].lower() == "data:" else len(content))
            return content
    finally:
        await fetcher.close()


async def fail(uri: str, config: MediaConfig | None = None) -> PartFailed:
    with pytest.raises(PartFailed) as caught:
        await fetch(uri, config or MediaConfig())
    assert "secret" not in caught.value.detail
    assert len(caught.value.detail) < 100
    return caught.value


def inline(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize("before", [" ", "\ufeff", "\r\n\t", "\0"])
async def test_what_stands_around_a_uri_means_nothing(before: str, root: Path) -> None:
    assert await fetch(inline(BODY) + before, MediaConfig()) == BODY
    assert await fetch(f"{before}{(root / 'below' / 'picture.png').as_uri()}", MediaConfig(roots=(root,))) == BODY


@pytest.mark.parametrize("kind", ["image/png", "", "text/plain;charset=utf-8", "IMAGE/PNG"])
async def test_data_is_decoded(kind: str) -> None:
    assert await fetch(inline(BODY, kind), MediaConfig()) == BODY


@given(st.binary(max_size=100))
def test_data_comes_back_as_it_was(content: bytes) -> None:
    assert decode_data_uri(inline(content), 100) == content


@pytest.mark.parametrize("uri", ["data:", "data:image/png;base64", "data:text/plain,secret", "data:base64,AAAA"])
async def test_data_without_base64_is_refused(uri: str) -> None:
    failure = await fail(uri)
    assert isinstance(failure, MediaRefused)
    assert failure.reason == "bad_uri"


@pytest.mark.parametrize("payload", ["A", "AA=A", "secret!", "-_-_", "ÄÄÄÄ"])
async def test_damaged_base64_is_invalid(payload: str) -> None:
    failure = await fail(f"data:image/png;base64,{payload}")
    assert isinstance(failure, MediaInvalid)
    assert failure.reason == "not_base64"


@pytest.mark.parametrize(("n_bytes", "fits"), [(99, True), (100, True), (101, False), (102, False), (5_000, False)])
async def test_data_is_bounded(n_bytes: int, fits: bool) -> None:
    config = MediaConfig(max_bytes=100)
    if fits:
        assert len(await fetch(inline(bytes(n_bytes)), config)) == n_bytes
    else:
        assert (await fail(inline(bytes(n_bytes)), config)).reason == "too_large"


async def test_a_file_inside_the_roots_is_read(root: Path) -> None:
    config = MediaConfig(roots=(Path("/nowhere"), root))
    assert await fetch((root / "below" / "picture.png").as_uri(), config) == BODY
    assert await fetch(f"FILE://localhost{root}/below/../below/pict%75re.png", config) == BODY


async def test_a_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    config = MediaConfig(roots=(tmp_path / "link",))
    assert await fetch(f"file://{tmp_path}/link/below/picture.png", config) == BODY


@pytest.mark.parametrize(
    "path",
    ["/outside.png", "/root/../outside.png", "/root/%2e%2e/outside.png", "/rootless", "/root/link", "/root/links/x"],
)
async def test_a_file_outside_the_roots_is_refused(root: Path, tmp_path: Path, path: str) -> None:
    (root / "link").symlink_to(tmp_path / "outside.png")
    (root / "links").symlink_to(tmp_path)
    failure = await fail(f"file://{tmp_path}{path}", MediaConfig(roots=(root,)))
    assert isinstance(failure, MediaRefused)
    assert (failure.reason, failure.detail) == ("forbidden", "a file outside the media roots")


async def test_without_roots_no_file_is_read(root: Path) -> None:
    assert (await fail((root / "below" / "picture.png").as_uri())).reason == "forbidden"


@pytest.mark.parametrize("folder", [False, True])
def test_a_link_that_appears_after_the_check_is_not_followed(root: Path, tmp_path: Path, folder: bool) -> None:
    path = root / "below" / "picture.png"
    with mock.patch.object(media, "_resolve", return_value=path):
        path.unlink()
        if folder:
            path.parent.rmdir()
            path.parent.symlink_to(tmp_path)
            (tmp_path / "picture.png").write_bytes(b"secret")
        else:
            path.symlink_to(tmp_path / "outside.png")
        with pytest.raises(MediaUnavailable):
            read_file(path.as_uri(), (root,), 1_000)


async def test_a_missing_file_is_not_found(root: Path) -> None:
    failure = await fail((root / "below" / "gone.png").as_uri(), MediaConfig(roots=(root,)))
    assert isinstance(failure, MediaUnavailable)
    assert failure.reason == "not_found"


async def test_only_regular_files_are_read(root: Path) -> None:
    os.mkfifo(root / "fifo")
    for path in (root / "fifo", root / "below", root):
        failure = await fail(path.as_uri(), MediaConfig(roots=(root,)))
        assert (failure.reason, failure.detail) == ("forbidden", "not a regular file")


async def test_devices_are_not_read() -> None:
    assert (await fail("file:///dev/zero", MediaConfig(roots=(Path("/dev"),)))).detail == "not a regular file"


async def test_a_file_that_cannot_be_opened_is_unreachable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)  # a socket's whole path may be too long for its address
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert (await fail((root / "socket").as_uri(), MediaConfig(roots=(root,)))).reason == "unreachable"


async def test_a_file_is_bounded(root: Path) -> None:
    uri = (root / "below" / "picture.png").as_uri()
    assert await fetch(uri, MediaConfig(roots=(root,), max_bytes=len(BODY))) == BODY
    assert (await fail(uri, MediaConfig(roots=(root,), max_bytes=len(BODY) - 1))).reason == "too_large"


async def test_a_file_that_grows_is_bounded() -> None:
    """The kernel's files say that they have 0 bytes, and give many."""
    assert (
        await fail("file:///proc/self/status", MediaConfig(roots=(Path("/proc"),), max_bytes=100))
    ).reason == "too_large"


@pytest.mark.parametrize(
    "uri", ["file:", "file:relative", "file://other.host/x", "file:///a%00b", "file://[/x", "file:///" + "a/" * 5_000]
)
async def test_what_is_no_path_is_refused(uri: str, root: Path) -> None:
    assert (await fail(uri, MediaConfig(roots=(root,)))).reason in {"bad_uri", "forbidden"}


@pytest.fixture
def stored() -> str:
    fsspec.filesystem("memory").pipe_file("/store/media/ab.png", BODY)
    fsspec.filesystem("memory").pipe_file("/store/private.png", b"secret")
    return f"{STORE}/ab.png"


@pytest.mark.parametrize("store_url", [STORE, STORE + "/"])
async def test_a_stored_object_is_read(stored: str, store_url: str) -> None:
    config = MediaConfig(store_urls=("s3://other/bucket", store_url))
    assert await fetch(stored, config) == BODY
    assert await fetch(stored.replace("memory", "MEMORY"), config) == BODY


@pytest.mark.parametrize(
    "uri",
    ["memory://store/private.png", "memory://store/mediaeval/x", "s3://store/media/x", "gopher://host/x", f"{STORE}"],
)
async def test_objects_outside_the_stores_are_refused(stored: str, uri: str) -> None:
    failure = await fail(uri, MediaConfig(store_urls=(STORE,)))
    assert isinstance(failure, MediaRefused)
    assert failure.reason == "forbidden"


@pytest.mark.parametrize("name", ["../private.png", "a/../../private.png", "./ab.png", "", "/ab.png", "a\x00b", "a//b"])
async def test_detours_in_a_store_are_refused(stored: str, name: str) -> None:
    assert (await fail(f"{STORE}/{name}", MediaConfig(store_urls=(STORE,)))).reason == "bad_uri"


async def test_a_chain_of_file_systems_is_only_a_name(stored: str, root: Path) -> None:
    uri = f"{STORE}/x::file://{root}/below/picture.png"
    assert (await fail(uri, MediaConfig(store_urls=(STORE,)))).reason in {"not_found", "bad_uri"}


async def test_an_object_that_is_not_there(stored: str) -> None:
    assert (await fail(f"{STORE}/gone.png", MediaConfig(store_urls=(STORE,)))).reason == "not_found"


async def test_a_stored_object_is_bounded(stored: str) -> None:
    assert await fetch(stored, MediaConfig(store_urls=(STORE,), max_bytes=len(BODY))) == BODY
    assert (await fail(stored, MediaConfig(store_urls=(STORE,), max_bytes=len(BODY) - 1))).reason == "too_large"


async def test_a_store_that_fails_is_unreachable() -> None:
    failure = await fail("nosuchscheme://bucket/x", MediaConfig(store_urls=("nosuchscheme://bucket",)))
    assert isinstance(failure, MediaUnavailable)
    assert (failure.reason, failure.detail) == ("unreachable", "the media store failed: ValueError")


@pytest.mark.parametrize("uri", ["", "picture.png", "javascript:secret", "C:\\x.png", "::", "\x00", "mailto:a@b.c"])
async def test_what_is_no_uri_is_refused(uri: str) -> None:
    failure = await fail(uri)
    assert isinstance(failure, MediaRefused)
    assert failure.reason == "bad_uri"


@given(st.text(max_size=80) | st.text(max_size=60).map("file:///".__add__) | st.text(max_size=60).map("data:".__add__))
def test_any_uri_is_fetched_or_refused(uri: str) -> None:
    if uri.lower().startswith("http"):
        return
    with pytest.raises(PartFailed):
        asyncio.run(fetch(uri, MediaConfig(store_urls=(STORE,))))


async def test_http_goes_through_the_same_limits() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=BODY)

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        uri = str(server.make_url("/"))
        assert await fetch(uri, MediaConfig(allow_private=True)) == BODY
        assert (await fail(uri, MediaConfig(allow_private=True, max_bytes=10))).reason == "too_large"
        assert (await fail(uri)).reason == "forbidden"


async def test_a_silent_server_is_late() -> None:
    hung_up = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side gives up
        hung_up.set()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        config = MediaConfig(allow_private=True, timeout_s=0.1)
        downloads = Downloads(limits_of(config))
        await downloads.start()
        fetcher = MediaFetcher(config, downloads)
        with pytest.raises(MediaUnavailable, match=r"not fetched within 0.1 s") as caught:
            await fetcher.fetch(f"http://127.0.0.1:{port}/?secret", Lease(ByteBudget(1)))
        await hung_up.wait()
        await fetcher.close()
    assert caught.value.reason == "late"


async def test_a_hanging_file_system_is_late(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(uri: str, roots: tuple[Path, ...], max_bytes: int) -> bytes:
        released.wait()
        return BODY

    monkeypatch.setattr(media, "read_file", hang)
    failure = await fail("file:///x", MediaConfig(roots=(root,), timeout_s=0.05))
    released.set()
    assert failure.reason == "late"
