"""What happened to an author, read from messages: a verdict on a post, or a report."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from sluice.basis import Moment, TextHash
from sluice.client.reports import decode_report
from sluice.formats import Headers, decode_verdict, form_of
from sluice.schema import DECISIONS, Decision, Verdict
from sluice.strict_json import read_json


@dataclass(frozen=True, slots=True)
class Event:
    """Something that counts for or against an author.

    Attributes
    ----------
    name : str
        By which it is counted once: the post's id, or whoever reported.
    at_ms : int
        When the post was published, or the report; milliseconds since the epoch.
    decision : int or None
        A place in `DECISIONS`; None for a report.
    text : int
        SimHash of the post's text, 0 without one.
    """

    tenant: str | None
    author: str
    name: str
    at_ms: int
    decision: int | None = None
    text: int = 0


class _Counted(msgspec.Struct):
    """Of `AuthorHistory`, what is counted."""

    counted_at: Moment = 0.0
    text_hash: TextHash | None = None


class _Basis(msgspec.Struct):
    author: _Counted | None = None


class _Verdict(msgspec.Struct):
    """Of `Verdict`, what is counted: reading all of it takes five times as long."""

    post_id: str
    decision: Decision
    author_id: str | None = None
    tenant: str | None = None
    basis: _Basis | None = None


_DECODER = msgspec.json.Decoder(_Verdict)


def read_verdict(value: bytes | None, headers: Headers = ()) -> Event | None:
    """What a verdict counts for; None for one without an author, or from before there was a history.

    Raises
    ------
    msgspec.DecodeError
        It is no verdict.
    SettingsError
        The extra for its form is not installed.
    """
    is_json = form_of(value, headers) == "json"
    verdict: _Verdict | Verdict = (
        read_json(_DECODER.decode, value or b"") if is_json else decode_verdict(value, headers)
    )
    counted = verdict.basis.author if verdict.basis else None
    if counted is None or not verdict.author_id:
        return None
    return Event(
        verdict.tenant,
        verdict.author_id,
        verdict.post_id,
        to_ms(counted.counted_at),
        DECISIONS.index(verdict.decision),
        int(counted.text_hash or "0", 16),
    )


def read_report(value: bytes | None, timestamp_s: float, source: str) -> Event:
    """What a report counts for: once for each person who reports.

    Parameters
    ----------
    source : str
        ``topic/partition/offset``, by which a report without an id is known: the same whenever it is read.

    Raises
    ------
    msgspec.DecodeError
        It is none.
    """
    report = decode_report(value or b"")
    name = name_reporter(report.reporter_id) if report.reporter_id else f"report {report.id or source}"
    return Event(report.tenant, report.author_id, name, to_ms(timestamp_s))


def name_reporter(reporter_id: str) -> str:
    """By what reports of one person are counted once."""
    return f"by {reporter_id}"


def to_ms(seconds: float) -> int:
    """Seconds as whole milliseconds, as Kafka has them."""
    return round(seconds * 1000)
