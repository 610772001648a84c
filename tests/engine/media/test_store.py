import hashlib
import os
import stat
import threading
from pathlib import Path

import fsspec
import pytest

from sluice.bytebudget import ByteBudget, Lease
from sluice.config import MediaConfig
from sluice.media.fetcher import MediaFetcher
from sluice.media.store import DirectoryStore, FsspecStore, open_store

BODY = b"drawn by hand" * 100
NAME = hashlib.sha256(BODY).hexdigest()


def read_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def fetch(uri: str, config: MediaConfig) -> bytes:
    fetcher = MediaFetcher(config)
    try:
        return await fetcher.fetch(uri, Lease(ByteBudget(2**30)))
    finally:
        await fetcher.close()


async def test_what_is_put_can_be_fetched(tmp_path: Path) -> None:
    uri = DirectoryStore(tmp_path / "a b").put(BODY, ".png")
    assert uri == (tmp_path / "a b" / f"{NAME}.png").as_uri()
    assert await fetch(uri, MediaConfig(roots=(tmp_path,))) == BODY


async def test_what_is_put_in_a_remote_store_can_be_fetched() -> None:
    uri = FsspecStore("memory://bucket/prefix/").put(BODY, ".png")
    assert uri == f"memory://bucket/prefix/{NAME}.png"
    assert await fetch(uri, MediaConfig(store_urls=("memory://bucket/prefix",))) == BODY


@pytest.mark.parametrize(("private", "folder_mode", "file_mode"), [(True, 0o700, 0o600), (False, 0o755, 0o644)])
def test_permissions(tmp_path: Path, private: bool, folder_mode: int, file_mode: int) -> None:
    before = os.umask(0o022)
    try:
        DirectoryStore(tmp_path / "store", private).put(BODY)
    finally:
        os.umask(before)
    assert read_mode(tmp_path / "store") == folder_mode
    assert read_mode(tmp_path / "store" / NAME) == file_mode


def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    first = store.put(BODY, ".png")
    written = (tmp_path / f"{NAME}.png").stat().st_ino
    os.utime(tmp_path / f"{NAME}.png", (0, 0))
    assert store.put(BODY, ".PNG") == first
    assert (tmp_path / f"{NAME}.png").stat().st_ino == written
    assert (tmp_path / f"{NAME}.png").stat().st_mtime > 0  # for whoever deletes by age
    assert store.put(BODY + b"!", ".png") != first
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_copy_is_replaced(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY[:10])
    DirectoryStore(tmp_path).put(BODY)
    assert (tmp_path / NAME).read_bytes() == BODY


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    store = DirectoryStore(tmp_path)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        store.put(BODY)
    assert list(tmp_path.iterdir()) == []


def test_writers_at_the_same_time_agree(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    writers = [threading.Thread(target=store.put, args=(BODY, ".png")) for _ in range(16)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [BODY]


@pytest.mark.parametrize("suffix", ["png", ".", "./x", ".p/ng", "..", ".toolongasuffix", ".png\n", "/../x"])
@pytest.mark.parametrize("url", ["memory://bucket", "{path}"])
def test_a_suffix_cannot_lead_elsewhere(tmp_path: Path, url: str, suffix: str) -> None:
    with pytest.raises(ValueError, match="suffix"):
        open_store(url.format(path=tmp_path)).put(BODY, suffix)


def test_a_store_is_opened_by_its_address(tmp_path: Path) -> None:
    by_path, by_uri = open_store(str(tmp_path / "a b")), open_store((tmp_path / "a b").as_uri())
    assert isinstance(by_path, DirectoryStore)
    assert isinstance(by_uri, DirectoryStore)
    assert by_path.path == by_uri.path == tmp_path / "a b"
    assert isinstance(open_store("memory://bucket"), FsspecStore)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="nosuchscheme"):
        open_store("nosuchscheme://bucket")


def test_a_bucket_alone_is_a_store() -> None:
    uri = open_store("memory://alone").put(BODY)
    assert fsspec.filesystem("memory").cat_file(f"/alone/{NAME}") == BODY
    assert uri == f"memory://alone/{NAME}"
