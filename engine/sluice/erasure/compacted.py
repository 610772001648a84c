"""Compacted topics, whose records people wrote: lists, from which entries are taken, and versions of policies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import msgspec

from sluice.client.compacted import write_records
from sluice.config import KafkaConfig
from sluice.erasure.subjects import Subject
from sluice.errors import ListError
from sluice.lists.entries import Entry
from sluice.policies.records import Version, key_of
from sluice.policies.topic import read_topic
from sluice.strict_json import read_json
from sluice.watching.lists import LISTS, ListDesk

WHO = "sluice erase"

_VERSIONS = msgspec.json.Decoder(Version)


def find_in_lists(desk: ListDesk, subject: Subject) -> dict[str, int]:
    """How many entries of each list name the author."""
    names = [row.name for row in desk.rows() if row.n_entries]
    counts = {name: len(_theirs(desk.show(name), subject)) for name in names}
    return {name: count for name, count in counts.items() if count}


def take_from_list(desk: ListDesk, name: str, subject: Subject) -> None:
    """Take these entries away; raises `WatchError` if somebody changes the list meanwhile."""
    desk.change(name, "take", partial(_without, subject), WHO)


def _without(subject: Subject, there: Sequence[Entry]) -> Sequence[Entry]:
    gone = _theirs(there, subject)
    return [entry for entry in there if entry not in gone]


def _theirs(entries: Sequence[Entry], subject: Subject) -> list[Entry]:
    return [entry for entry in entries if entry.kind == "author" and entry.value == subject.author]


def lists_hold(subject: Subject, value: bytes | None) -> bool:
    """Whether a record of the lists' topic has an entry for the author."""
    try:
        return bool(_theirs(LISTS.unpack([value or b""]), subject))
    except ListError:  # a head, or none of ours
        return False


def policies_hold(subject: Subject, value: bytes | None) -> bool:
    """Whether a record of the policies' topic is a version that names the author."""
    try:
        return names_author(read_json(_VERSIONS.decode, value or b"").document, subject)
    except msgspec.DecodeError:  # what is in force, or none of ours
        return False


def names_author(document: str, subject: Subject) -> bool:
    """Whether a policy names the author: in quotes, as rules do, or as the author of a case's post."""
    if not subject.author:
        return False
    author = re.escape(subject.author)
    return re.search(rf"(['\"]){author}\1|\bauthor_id:\s*{author}\s*(?:[,}}#]|$)", document, re.MULTILINE) is not None


class NamedIn(msgspec.Struct, frozen=True):
    """A version of a policy that names the author."""

    policy: str
    version: int
    is_in_force: bool


def find_in_policies(kafka: KafkaConfig, subject: Subject, timeout_s: float) -> list[NamedIn]:
    """All of them."""
    state = read_topic(kafka, timeout_s)
    return [
        NamedIn(name, number, name in state.in_force and state.in_force[name].version == number)
        for name, versions in sorted(state.versions.items())
        for number, version in sorted(versions.items())
        if names_author(version.document, subject)
    ]


def take_from_policies(kafka: KafkaConfig, named: Sequence[NamedIn], timeout_s: float) -> None:
    """Take versions off the topic; none of them can be put in force any more."""
    records = [(key_of(each.policy, each.version), None) for each in named]
    write_records(kafka, kafka.topics.policies, records, timeout_s)
