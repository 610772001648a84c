"""Where publishers put media that are too large for a message; the URI goes into the post."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import fsspec

_SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,8})?")


class MediaStore(Protocol):
    """Keeps media and says where. `DirectoryStore` and `FsspecStore` are two."""

    def put(self, content: bytes, suffix: str = "") -> str:
        """Keep some content, once however often it is put.

        Parameters
        ----------
        content : bytes
        suffix : str
            Of the file's name: empty, or a dot and up to eight letters and digits.

        Returns
        -------
        str
            A URI for `Media.uri`.

        Raises
        ------
        ValueError
            If the suffix is not one.
        OSError
            If the content could not be kept.
        """
        ...


class DirectoryStore:
    """A directory; files are named after their content.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    private : bool
        Whether only the owner may read: off, a worker of another user can.
    """

    def __init__(self, path: Path, private: bool = True) -> None:
        self._file_mode = 0o600 if private else 0o644
        path.mkdir(mode=0o700 if private else 0o755, parents=True, exist_ok=True)
        self.path = path.resolve()

    def put(self, content: bytes, suffix: str = "") -> str:
        """Keep some content; see `MediaStore.put`."""
        target = self.path / _name(content, suffix)
        if target.is_file() and target.stat().st_size == len(content):
            os.utime(target)  # whoever deletes by age must not take what was just promised again
        else:
            self._write(target, content)
        return target.as_uri()

    def _write(self, target: Path, content: bytes) -> None:
        """Under a temporary name first: whoever sees the final one sees all of the content."""
        descriptor, temporary = tempfile.mkstemp(dir=self.path, prefix=".put-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), self._file_mode)
                os.fsync(file.fileno())  # the post that names it may be acknowledged before the next line
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise


class FsspecStore:
    """Any store that fsspec can write: S3 (with the ``s3`` extra), GCS, memory.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/prefix``; credentials come from the store's own environment.

    Raises
    ------
    ValueError
        If fsspec does not know the scheme.
    ImportError
        If the package for the scheme is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files, root = fsspec.core.url_to_fs(self.url)
        self._root = root.rstrip("/")

    def put(self, content: bytes, suffix: str = "") -> str:
        """Keep some content; see `MediaStore.put`."""
        name = _name(content, suffix)
        self._files.pipe_file(f"{self._root}/{name}", content)
        return f"{self.url}/{name}"


def open_store(url_or_path: str) -> MediaStore:
    """The store behind a directory's path, a ``file:`` URI or an fsspec URL."""
    folder = local_folder(url_or_path)
    return DirectoryStore(folder) if folder else FsspecStore(url_or_path)


def local_folder(url_or_path: str) -> Path | None:
    """The directory that a path or a ``file:`` URI names; None for any other URL."""
    scheme, separator, _ = url_or_path.partition("://")
    if not separator:
        return Path(url_or_path).expanduser()
    return Path(unquote(urlsplit(url_or_path).path)) if scheme.lower() == "file" else None


def _name(content: bytes, suffix: str) -> str:
    if not _SUFFIX.fullmatch(suffix):
        raise ValueError("a suffix is empty, or a dot and up to eight letters and digits")
    return hashlib.sha256(content).hexdigest() + suffix.lower()
