"""What lies on the policies topic: every version of a policy, and for each name which of them is in force.

All of it lies in partition 0, so that everybody reads it in the order in which it was written. A version's key is
``NAME@VERSION``, its value the YAML and who wrote it when. What is in force has the key ``NAME@``: the version, and the
changes that led there, so that compaction may forget older records of that key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from sluice.strict_json import read_json
from sluice.verdict.overlay import Wanted, Written

MAX_CHANGES = 100
"""Of one policy that are remembered."""


class Version(msgspec.Struct, frozen=True):
    """One version of a policy, as it was pushed.

    Attributes
    ----------
    document : str
        The YAML.
    sha256 : str
        Of what it says, without what it inherits.
    at : str
        RFC 3339, UTC.
    by : str
        Who pushed it, as far as the client says.
    """

    document: str
    sha256: str
    at: str
    by: str = ""
    note: str = ""


class Change(msgspec.Struct, frozen=True):
    """A version was put in force."""

    version: int
    action: Literal["push", "rollback"]
    at: str
    by: str = ""
    note: str = ""


class InForce(msgspec.Struct, frozen=True):
    """Which version is in force.

    Attributes
    ----------
    changes : tuple of Change
        Up to `MAX_CHANGES`, the last one first: it put `version` in force.
    """

    version: int
    changes: tuple[Change, ...] = ()

    def changed(self, change: Change) -> InForce:
        """What is in force after a change."""
        return InForce(change.version, (change, *self.changes)[:MAX_CHANGES])


def key_of(name: str, version: int | None = None) -> bytes:
    """The key of a version, or of what is in force."""
    return f"{name}@{'' if version is None else version}".encode()


_VERSIONS, _IN_FORCE = msgspec.json.Decoder(Version), msgspec.json.Decoder(InForce)
MAX_DIGITS = 18
"""Of a version in a key: what a policy's own may have, and more."""


@dataclass
class TopicState:
    """What the topic says after some of its records.

    Attributes
    ----------
    topic : str
        Its name, for errors.
    versions : dict of str to dict of int to Version
    in_force : dict of str to InForce
        In the order of the last change.
    """

    topic: str
    versions: dict[str, dict[int, Version]] = field(default_factory=dict)
    in_force: dict[str, InForce] = field(default_factory=dict)

    def apply(self, key: bytes | None, value: bytes | None) -> str | None:
        """Take one record; returns what is wrong with one that is none of ours, which changes nothing."""
        name, _, version = (key or b"").decode("utf-8", "replace").rpartition("@")
        if not name or (version and not (version.isdecimal() and len(version) <= MAX_DIGITS)):
            return "a record whose key is not NAME@VERSION or NAME@"
        try:
            if version:
                self._take_version(name, int(version), value)
            else:
                self._take_in_force(name, value)
        except msgspec.DecodeError as error:
            return f"the record {name}@{version}: {error}"
        return None

    def _take_version(self, name: str, version: int, value: bytes | None) -> None:
        if value is None:
            self.versions.get(name, {}).pop(version, None)
        else:
            self.versions.setdefault(name, {})[version] = read_json(_VERSIONS.decode, value)

    def _take_in_force(self, name: str, value: bytes | None) -> None:
        taken = None if value is None else read_json(_IN_FORCE.decode, value)
        self.in_force.pop(name, None)
        if taken is not None:
            self.in_force[name] = taken

    def wanted(self) -> list[Wanted]:
        """What is to be in force, in the order in which it was asked for; behind each what was before."""
        found = [Wanted(name, tuple(self._texts(name, in_force))) for name, in_force in self.in_force.items()]
        return [each for each in found if each.texts]

    def _texts(self, name: str, in_force: InForce) -> Iterator[Written]:
        for version in dict.fromkeys([in_force.version, *(change.version for change in in_force.changes)]):
            if written := self.versions.get(name, {}).get(version):
                yield Written(f"{self.topic} {name}@{version}", written.document)
