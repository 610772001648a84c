"""The media store: files that only their posts refer to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import fsspec

from sluice.errors import SettingsError
from sluice.media.store import local_folder

_STORED = re.compile(r"[0-9a-f]{64}(\.[A-Za-z0-9]{1,8})?")
"""What a media store calls its files; nothing else is ever deleted."""


class StoredMedia(Protocol):
    """Files of a store, by their address."""

    def has(self, uri: str) -> bool:
        """Whether the store holds it."""
        ...

    def delete(self, uri: str) -> None:
        """Take it away."""
        ...


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path.resolve()

    def _file(self, uri: str) -> Path | None:
        path = Path(unquote(urlsplit(uri).path))
        is_ours = uri.startswith("file://") and path.parent == self._path and _STORED.fullmatch(path.name)
        return path if is_ours else None

    def has(self, uri: str) -> bool:
        file = self._file(uri)
        return file is not None and file.is_file()

    def delete(self, uri: str) -> None:
        file = self._file(uri)
        if file is not None:
            file.unlink(missing_ok=True)


class _Objects:
    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._files, root = fsspec.core.url_to_fs(self._url)
        self._root = root.rstrip("/")

    def _name(self, uri: str) -> str | None:
        name = uri.removeprefix(f"{self._url}/")
        return f"{self._root}/{name}" if name != uri and _STORED.fullmatch(name) else None

    def has(self, uri: str) -> bool:
        name = self._name(uri)
        self._files.invalidate_cache()
        return name is not None and bool(self._files.exists(name))

    def delete(self, uri: str) -> None:
        name = self._name(uri)
        if name is not None:
            self._files.rm_file(name)


def open_stored(url_or_path: str) -> StoredMedia:
    """The files of a media store; raises `SettingsError` for one that cannot be opened."""
    folder = local_folder(url_or_path)
    try:
        return _Folder(folder) if folder else _Objects(url_or_path)
    except (ImportError, ValueError) as error:
        raise SettingsError(f"SLUICE_MEDIA_STORE: {error}") from error


def find_stored(stored: StoredMedia, uris: Iterable[str], kept: set[str]) -> list[str]:
    """Of addresses, those that the store has and that no post of others refers to: equal files are kept once."""
    return sorted(uri for uri in uris if uri not in kept and stored.has(uri))
