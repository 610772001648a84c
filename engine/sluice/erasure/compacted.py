"""Compacted topics, whose records people wrote: lists, from which entries are taken, and policies, which are named."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sluice.config import KafkaConfig
from sluice.erasure.subjects import Subject
from sluice.lists.entries import Entry
from sluice.policies.topic import read_topic
from sluice.watching.lists import ListDesk

WHO = "sluice erase"


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


def find_in_policies(kafka: KafkaConfig, subject: Subject, timeout_s: float) -> list[str]:
    """Versions of policies whose document names the author in quotes, as rules do."""
    wanted = [f"{quote}{subject.author}{quote}" for quote in "'\""] if subject.author else []
    state = read_topic(kafka, timeout_s)
    return sorted(
        f"{name} {number}"
        for name, versions in state.versions.items()
        for number, version in versions.items()
        if any(each in version.document for each in wanted)
    )
