"""Goes through a log and says where it is not what was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from sluice.audit.log import ERASURES, AuditLog, Head, place_of, read_body
from sluice.audit.records import FIRST, Body, Line, Private
from sluice.client.messages import Place
from sluice.errors import AuditError


class KnownHead(msgspec.Struct, frozen=True):
    """A record of a chain, as an earlier check saw it: kept elsewhere, it shows that nothing was taken off the end."""

    topic: str
    partition: int
    offset: int
    hash: str


@dataclass(slots=True)
class Findings:
    """What a check found.

    Attributes
    ----------
    n_records, n_private, n_erased : int
        Records; those whose private part is there; those whose private part was erased.
    wrong : list of str
        For each chain, the first thing that is wrong in it.
    heads : list of KnownHead
        Of the chains that are whole.
    """

    n_records: int = 0
    n_private: int = 0
    n_erased: int = 0
    wrong: list[str] = field(default_factory=list)
    heads: list[KnownHead] = field(default_factory=list)


def verify(log: AuditLog, known: list[KnownHead] | None = None) -> Findings:
    """Check every chain, and every private part against it.

    Parameters
    ----------
    known : list of KnownHead or None
        Of an earlier check: these records must still be there.
    """
    findings = Findings()
    expected = {((head.topic, head.partition), head.offset): head.hash for head in known or []}
    try:
        erased = erased_places(log)
    except AuditError as error:
        erased = set()
        findings.wrong.append(f"{ERASURES}: {error}")
    findings.wrong += [f"{name}: this is no file of the log" for name in log.strays()]
    findings.wrong += _orphans(log)
    for place in sorted({*log.places(), *(place for place, _ in expected)}):
        try:
            findings.heads.append(_Chain(log, place, erased, expected, findings).check())
        except AuditError as error:
            findings.wrong.append(str(error))
    return findings


def erased_places(log: AuditLog) -> set[tuple[Place, int]]:
    """The records whose private part was erased, as the log itself says."""
    place = (ERASURES, 0)
    bodies = (read_body(line, name) for name in log.files(place) for line in log.read_file(name))
    return {place for body in bodies for place in _read_erasure(body)}


def _read_erasure(body: Body) -> list[tuple[Place, int]]:
    try:
        records = msgspec.convert(body.says.get("records"), list[tuple[str, int, int]])
    except msgspec.ValidationError as error:
        raise AuditError(f"the record of offset {body.offset} does not say what was erased") from error
    return [((topic, number), offset) for topic, number, offset in records]


def _orphans(log: AuditLog) -> list[str]:
    """Private parts without a chain. One behind a chain's end may be: whoever wrote it was killed, and comes again."""
    orphans = log.orphans()
    if len(orphans) == 1 and all(_offset(name) < _offset(orphans[0]) for name in log.files(place_of(orphans[0]))):
        return []
    return [f"{name}: its private part is there, and the chain's file is not" for name in orphans]


def _offset(name: str) -> str:
    return name.rpartition("/")[2]


class _Chain:
    """The check of one chain."""

    def __init__(
        self, log: AuditLog, place: Place, erased: set[tuple[Place, int]],
        expected: dict[tuple[Place, int], str], findings: Findings,
    ) -> None:  # fmt: skip
        self._log, self._place, self._erased, self._findings = log, place, erased, findings
        self._expected = {offset: seal for (at, offset), seal in expected.items() if at == place}
        self._head = Head()

    def check(self) -> KnownHead:
        """The last record; raises `AuditError` that names the first that is wrong."""
        for name in self._log.files(self._place):
            privates = self._log.read_private(name)
            for line in self._lines(name):
                self._check_private(self._check_line(line, name), privates)
            if privates:
                raise self._error(min(privates), "is not there, and has a private part")
        if self._expected:
            raise self._error(min(self._expected), "is missing: the end of the chain was taken off")
        return KnownHead(*self._place, self._head.offset, self._head.hash)

    def _lines(self, name: str) -> Iterator[Line]:
        yield from self._log.read_file(name)

    def _check_line(self, line: Line, name: str) -> Body:
        if not line.is_whole():
            raise self._error(self._offset_of(line), "was changed")
        body = read_body(line, name)
        if body.prev != self._head.hash:
            raise self._error(body.offset, self._why_apart(body))
        if (body.topic, body.partition) != self._place or body.offset <= self._head.offset:
            raise self._error(body.offset, "is not where it belongs")
        if self._expected.pop(body.offset, line.hash) != line.hash:
            raise self._error(body.offset, "is not the one that was there at the earlier check")
        self._head = Head(body.offset, line.hash)
        self._findings.n_records += 1
        return body

    def _offset_of(self, line: Line) -> int | str:
        try:
            return line.read().offset
        except (ValueError, RecursionError):
            return f"after {self._head.offset}"

    def _why_apart(self, body: Body) -> str:
        if body.offset <= self._head.offset:
            return f"stands behind offset {self._head.offset}: records were moved"
        what = "the first of the chain" if self._head.hash == FIRST else f"offset {self._head.offset}"
        return f"does not follow {what}: records between them were removed, moved or changed"

    def _check_private(self, body: Body, privates: dict[int, Private]) -> None:
        private = privates.pop(body.offset, None)
        if body.private is None and private is None:
            return
        if private is not None:
            if private.seal() != body.private:
                raise self._error(body.offset, "has another private part than was written")
            self._findings.n_private += 1
        elif (self._place, body.offset) in self._erased:
            self._findings.n_erased += 1
        else:
            raise self._error(body.offset, "lacks its private part, and no erasure says why")

    def _error(self, offset: int | str, what: str) -> AuditError:
        return AuditError(f"{self._place[0]}/{self._place[1]}: the record of offset {offset} {what}")
