"""Where the log lies: a folder, or anything that fsspec can write. Files are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Protocol

import fsspec

from sluice.errors import AuditError
from sluice.media.store import local_folder

UNFINISHED = ".unfinished-"
"""How the names of files begin that are being written."""


class Archive(Protocol):
    """Files by name, in folders separated by ``/``."""

    def names(self, folder: str) -> list[str]:
        """The names of all files below a folder, in order."""
        ...

    def read(self, name: str) -> bytes | None:
        """A file; None if there is none."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Keep a file, in place of the one that has this name; it is there to stay when this returns."""
        ...

    def remove(self, name: str) -> None:
        """Take a file away."""
        ...


class FolderArchive:
    """A folder on this machine, made if it is not there."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path.resolve()

    def names(self, folder: str) -> list[str]:
        """See `Archive.names`."""
        found = (path for path in (self._path / folder).rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self._path)) for path in found if not path.name.startswith("."))

    def read(self, name: str) -> bytes | None:
        """See `Archive.read`."""
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """See `Archive.write`: under a temporary name first, and on the disk before it has its own."""
        target = self._path / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=UNFINISHED)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _sync_folder(target.parent)

    def remove(self, name: str) -> None:
        """See `Archive.remove`."""
        (self._path / name).unlink(missing_ok=True)

    def clear_unfinished(self) -> None:
        """Take away what a process left that was killed while it wrote."""
        for path in self._path.rglob(f"{UNFINISHED}*"):
            path.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    """The new name itself is on the disk only after this."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FsspecArchive:
    """A store such as S3, where an object is there whole or not at all."""

    def __init__(self, url: str) -> None:
        self._files, root = fsspec.core.url_to_fs(url.rstrip("/"))
        self._root = root.rstrip("/")

    def names(self, folder: str) -> list[str]:
        """See `Archive.names`."""
        self._files.invalidate_cache()
        found = self._files.find(f"{self._root}/{folder}".rstrip("/"))
        return sorted(name.removeprefix(f"{self._root}/") for name in found)

    def read(self, name: str) -> bytes | None:
        """See `Archive.read`."""
        try:
            return bytes(self._files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """See `Archive.write`."""
        self._files.pipe_file(f"{self._root}/{name}", content)

    def remove(self, name: str) -> None:
        """See `Archive.remove`."""
        self._files.rm_file(f"{self._root}/{name}")


def open_archive(url_or_path: str) -> Archive:
    """The archive in a folder or behind an fsspec URL; raises `AuditError` if it cannot be opened."""
    folder = local_folder(url_or_path)
    try:
        return FolderArchive(folder) if folder else FsspecArchive(url_or_path)
    except (ImportError, OSError, ValueError) as error:
        raise AuditError(f"the audit log cannot be opened: {error}") from error
