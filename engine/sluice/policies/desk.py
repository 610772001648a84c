"""What people do with shared policies: look at them, push them, take them back. Commands and HTTP go through here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from sluice.config import KafkaConfig
from sluice.kafka import ensure_topics
from sluice.policies.changes import Checked, check, make_push, make_rollback, read_version, with_topic
from sluice.policies.differences import Difference, find_differences
from sluice.policies.records import Change, TopicState
from sluice.policies.topic import read_topic, write
from sluice.verdict.documents import Document
from sluice.verdict.policy import Policy
from sluice.verdict.policy_set import SetBuilder, read_documents


class PolicyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One policy in a list.

    Attributes
    ----------
    rules, cases : int
        How many it has, inherited rules included.
    sha256 : str
        Of all that it says, what it inherits included; as verdicts carry it.
    document_sha256 : str
        Of what it says itself.
    source : str
        A file, or the topic with name and version.
    """

    name: str
    version: int
    tenant: str | None
    extends: str | None
    rules: int
    cases: int
    sha256: str
    document_sha256: str
    source: str


def describe(checked: Checked, documents: Sequence[Document]) -> list[PolicyRow]:
    """A row for each document of a set."""
    return [_describe(checked, document) for document in documents]


def _describe(checked: Checked, document: Document) -> PolicyRow:
    policy = checked.policy(document.name)
    return PolicyRow(
        name=policy.name,
        version=policy.version,
        tenant=policy.tenant,
        extends=document.extends,
        rules=len(policy.rules),
        cases=checked.n_cases[document.name],
        sha256=policy.sha256,
        document_sha256=document.sha256,
        source=document.source,
    )


class PolicyDesk:
    """The policies topic, and the files that workers lay it over. Every call asks Kafka, and may take a while.

    Parameters
    ----------
    kafka : KafkaConfig
        As `sluice.kafka.recognise` gives it.
    files : Path
        What ``SLUICE_POLICY`` names.
    timeout_s : float
        How long to wait for Kafka.

    Raises
    ------
    KafkaUnavailable
        From every call.
    """

    def __init__(self, kafka: KafkaConfig, files: Path, timeout_s: float) -> None:
        self._kafka = kafka
        self._files = files
        self._timeout_s = timeout_s

    def read(self) -> TopicState:
        """What the topic says; it is made if it is missing."""
        ensure_topics(self._kafka, self._timeout_s, (self._kafka.topics.policies,))
        return read_topic(self._kafka, self._timeout_s)

    def in_force(self, state: TopicState, new: Sequence[Document] = ()) -> list[Document]:
        """What is in force with files and topic, and with new ones in place of their namesakes."""
        return with_topic(read_documents(self._files), state, new)

    def rows(self) -> Sequence[PolicyRow]:
        """What is in force; raises `PolicyError` if a case of it fails."""
        checked = self.check()
        return describe(checked, checked.documents)

    def check(self) -> Checked:
        """What is in force, with its cases run; raises `PolicyError` if one fails."""
        return check(self.in_force(self.read()))

    def push(self, documents: Sequence[Document], by: str, note: str = "") -> Sequence[PolicyRow]:
        """Put documents in force once they, and the cases of all, hold together; raises `PolicyError`."""
        state = self.read()
        made = make_push(state, documents, by, note)
        checked = check(self.in_force(state, documents))
        write(self._kafka, made.versions, made.in_force, self._timeout_s)
        return describe(checked, documents)

    def roll_back(self, name: str, to: int | None, by: str, note: str = "") -> Document:
        """Put an earlier version in force, if it goes together with the others; raises `PolicyError`."""
        state = self.read()
        made = make_rollback(state, name, to, by, note)
        document = read_version(state, name, made.in_force[0][1].version)
        SetBuilder().build(self.in_force(state, [document]))
        write(self._kafka, made.versions, made.in_force, self._timeout_s)
        return document

    def complete(self, document: Document, state: TopicState) -> Policy:
        """A policy with what it inherits of those in force; raises `PolicyError`."""
        policies = SetBuilder().build(self.in_force(state, [document]))
        return next(judge.policy for judge in policies.judges if judge.policy.name == document.name)

    def differences(self, name: str, before: int, after: int | None) -> Sequence[Difference]:
        """In what two versions differ; None is the one in force. Raises `PolicyError`."""
        state = self.read()
        old, new = (self.complete(read_version(state, name, version), state) for version in (before, after))
        return find_differences(old, new)

    def history(self, name: str) -> Sequence[Change]:
        """What was put in force under a name, the last first; raises `PolicyError`."""
        state = self.read()
        read_version(state, name)
        return state.in_force[name].changes
