"""Everything that is known of what was decided about one post: from the topics, or from the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from sluice.audit.contents import join_verdict
from sluice.audit.log import AuditLog, read_body
from sluice.audit.records import Body
from sluice.client.outcomes import Outcome, Outcomes, open_topic
from sluice.config import KafkaConfig
from sluice.kafka import TopicNames, copied_from
from sluice.strict_json import read_object


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message on the post.

    Attributes
    ----------
    kind : str
        ``verdict``, ``dead_letter`` or ``decision``: a person's.
    place : str
        Topic, partition and offset.
    at_s : float or None
        When it was produced, in seconds since 1970.
    copy_of : int or None
        Which offset it is a copy of.
    says : dict
        The verdict, why it is a dead letter, or what a person decided.
    """

    kind: str
    place: str
    at_s: float | None
    says: dict[str, Any]
    copy_of: int | None = None


def explain_from_topics(kafka: KafkaConfig, post_id: str, timeout_s: float = 15.0) -> list[Told]:
    """Read the topics of verdicts, dead letters and people's decisions; raises `KafkaUnavailable`."""
    with Outcomes(kafka, start="beginning", timeout_s=timeout_s) as outcomes:
        found = [told for outcome in outcomes.read_to_end() if (told := _read_outcome(kafka, outcome, post_id))]
    if kafka.topics.decisions in TopicNames(kafka, timeout_s).read():
        with open_topic(kafka, kafka.topics.decisions, 0.0, timeout_s) as outcomes:
            found += [told for outcome in outcomes.read_to_end() if (told := _read_decision(kafka, outcome, post_id))]
    return sorted(found, key=_order)


def _order(told: Told) -> tuple[float, str]:
    return told.at_s or 0.0, told.place


def _concerns(outcome: Outcome, post_id: str) -> bool:
    """Whether it may be on the post: decoding each would take thirty times as long."""
    return outcome.key == post_id.encode() or post_id.encode() in (outcome.value or b"")


def _read_outcome(kafka: KafkaConfig, outcome: Outcome, post_id: str) -> Told | None:
    if not _concerns(outcome, post_id):
        return None
    if outcome.kind == "dead_letter":
        is_it = outcome.key == post_id.encode()
        return _tell("dead_letter", kafka.topics.dead_letters, outcome, outcome.dead_letter()) if is_it else None
    try:
        verdict = outcome.verdict()
    except msgspec.DecodeError:
        return None
    says = msgspec.to_builtins(verdict)
    return _tell("verdict", kafka.topics.verdicts, outcome, says) if verdict.post_id == post_id else None


def _read_decision(kafka: KafkaConfig, outcome: Outcome, post_id: str) -> Told | None:
    try:
        says = read_object(outcome.value or b"")
    except msgspec.DecodeError:
        return None
    return _tell("decision", kafka.topics.decisions, outcome, says) if says.get("post_id") == post_id else None


def _tell(kind: str, topic: str, outcome: Outcome, says: dict[str, Any]) -> Told:
    place = f"{topic}/{outcome.partition}/{outcome.offset}"
    return Told(kind=kind, place=place, at_s=outcome.timestamp_s, says=says, copy_of=copied_from(outcome.headers))


def explain_from_log(log: AuditLog, post_id: str) -> list[Told]:
    """Read a log; raises `AuditError`. A copy of what is there as well is left out."""
    found = list(_find_in_log(log, post_id))
    there = {told.place for told in found}
    return sorted((told for told in found if _first_place(told) not in there), key=_order)


def _first_place(told: Told) -> str:
    return f"{told.place.rpartition('/')[0]}/{told.copy_of}"


def _find_in_log(log: AuditLog, post_id: str) -> Iterator[Told]:
    for place in log.places():
        for name in log.files(place):
            holds = {offset: private.read() for offset, private in log.read_private(name).items()}
            wanted = {offset for offset, held in holds.items() if post_id in (held.get("post_id"), held.get("key"))}
            for body in (read_body(line, name) for line in log.read_file(name) if wanted):
                if body.offset in wanted:
                    yield _tell_body(body, holds[body.offset])


def _tell_body(body: Body, private: dict[str, Any]) -> Told:
    says = join_verdict(body.says, private)
    place = f"{body.topic}/{body.partition}/{body.offset}"
    return Told(kind=body.kind, place=place, at_s=body.at_ms / 1000, says=says, copy_of=body.copy_of)
