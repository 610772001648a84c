"""Environment variables as what they stand for: numbers within limits, files that are there, secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sluice.errors import SettingsError


class Reader:
    """Reads variables; a wrong one is named in the error, its value is not shown where it may be secret.

    Attributes
    ----------
    names : list of str
        Of the variables that were asked for.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.names: list[str] = []

    def optional(self, name: str) -> str | None:
        """The value; None if it is not set, or empty."""
        self.names.append(name)
        return self.environ.get(name) or None

    def secret(self, name: str) -> str | None:
        """A secret, or what the file holds that its variable with ``_FILE`` names; raises `SettingsError`."""
        given, path = self.optional(name), self.optional(f"{name}_FILE")
        if path is None:
            return given
        if given is not None:
            raise SettingsError(f"{name} and {name}_FILE: only one of them can be meant")
        try:
            return Path(path).read_text().rstrip("\r\n") or None
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE: cannot read {path}: {type(error).__name__}") from error

    def file(self, name: str) -> str | None:
        """The path of a file, which has to be there; raises `SettingsError`."""
        path = self.optional(name)
        if path is not None and not Path(path).is_file():
            raise SettingsError(f"{name}: {path} does not exist")
        return path

    def path(self, name: str) -> Path | None:
        """The path of a file or a folder, which has to be there; raises `SettingsError`."""
        path = self.optional(name)
        if path is not None and not Path(path).exists():
            raise SettingsError(f"{name}: {path} does not exist")
        return None if path is None else Path(path)

    def text(self, name: str, default: str) -> str:
        """The value."""
        return self.optional(name) or default

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """One of `choices`, in capitals; raises `SettingsError`."""
        value = self.text(name, default).upper()
        if value not in choices:
            raise SettingsError(f"{name}: {value!r} is none of {', '.join(choices)}")
        return value

    def flag(self, name: str, default: str = "0") -> bool:
        """Whether it is on; raises `SettingsError`."""
        value = self.text(name, default).lower()
        if value not in ("0", "1", "true", "false", "yes", "no"):
            raise SettingsError(f"{name}: {value!r} is not 1 or 0")
        return value in ("1", "true", "yes")

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within limits; raises `SettingsError`."""
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise SettingsError(f"{name}: {value!r} is not a whole number from {low} to {high}")
        return number

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number within limits; raises `SettingsError`."""
        value = self.text(name, str(default))
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise SettingsError(f"{name}: {value!r} is not a number from {low:g} to {high:g}")
        return number
