"""Changes to the policies topic, each checked before it is written: a push, a rollback."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sluice.client.compacted import now
from sluice.errors import PolicyError
from sluice.policies.records import Change, InForce, TopicState, Version
from sluice.verdict.cases import run_cases
from sluice.verdict.documents import Document, read_document
from sluice.verdict.overlay import lay_over
from sluice.verdict.policy import Policy
from sluice.verdict.policy_set import PolicySet, SetBuilder, read_documents


@dataclass(frozen=True, slots=True)
class Checked:
    """A set that holds together, and whose cases do.

    Attributes
    ----------
    n_cases : dict of str to int
        How many cases each document has.
    """

    policies: PolicySet
    documents: tuple[Document, ...]
    n_cases: dict[str, int]

    def policy(self, name: str) -> Policy:
        """One of the set's policies, what it inherits included."""
        return next(judge.policy for judge in self.policies.judges if judge.policy.name == name)


def check(documents: Sequence[Document]) -> Checked:
    """Build the set of documents and run all their cases; raises `PolicyError`."""
    policies = SetBuilder().build(documents)
    return Checked(policies, tuple(documents), {each.name: run_cases(each, policies) for each in documents})


def with_topic(files: Sequence[Document], state: TopicState, new: Sequence[Document] = ()) -> list[Document]:
    """The documents that are in force where a worker has these files, with new ones in place of their namesakes."""
    names = {document.name for document in new}
    in_force = lay_over(SetBuilder(), files, state.wanted()).documents
    return [*(document for document in in_force if document.name not in names), *new]


def read_all(paths: Iterable[Path]) -> list[Document]:
    """The documents of files and folders; raises `PolicyError`."""
    return [document for path in paths for document in read_documents(path)]


@dataclass(frozen=True, slots=True)
class Push:
    """What is to be written: versions, and then what is in force."""

    versions: tuple[tuple[str, int, Version], ...]
    in_force: tuple[tuple[str, InForce], ...]


def make_push(state: TopicState, documents: Sequence[Document], by: str, note: str = "", at: str | None = None) -> Push:
    """Put documents in force, as they are.

    Raises
    ------
    PolicyError
        A version is there already and says something else.
    """
    at = at or now()
    versions = []
    for document in documents:
        _refuse_other_content(state, document)
        version = Version(document.text, document.sha256, at, by, note)
        versions.append((document.name, document.version, version))
    changed = [_changed(state, each.name, each.version, "push", by, note, at) for each in documents]
    return Push(tuple(versions), tuple(changed))


def _refuse_other_content(state: TopicState, document: Document) -> None:
    there = state.versions.get(document.name, {}).get(document.version)
    if there is not None and there.sha256 != document.sha256:
        where = document.root.get("version") or document.root
        raise where.error(
            f"{document.name!r} has a version {document.version} already, which says something else; "
            f"the newest is {max(state.versions[document.name])}"
        )


def make_rollback(state: TopicState, name: str, to: int | None, by: str, note: str = "", at: str | None = None) -> Push:
    """Put an earlier version in force again.

    Parameters
    ----------
    to : int or None
        Which; None for the one that was in force before the one that is, or before that one was pushed if a rollback
        put it there: a second rollback goes one further back, and not forth again.

    Raises
    ------
    PolicyError
        There is none.
    """
    in_force = state.in_force.get(name)
    if in_force is None:
        raise PolicyError(f"{state.topic}: no policy {name!r} was pushed; there are: {_names(state)}")
    version = to if to is not None else _before(in_force)
    if version is None:
        raise PolicyError(f"{state.topic}: {name!r} has had no version before {in_force.version}")
    if version not in state.versions.get(name, {}):
        raise PolicyError(f"{state.topic}: {name!r} has no version {version}; it has {_versions(state, name)}")
    return Push((), (_changed(state, name, version, "rollback", by, note, at or now()),))


def _before(in_force: InForce) -> int | None:
    """The version under the one in force, of those that no rollback has taken back."""
    standing: list[int] = []
    for change in reversed(in_force.changes):
        if change.version in standing:
            del standing[standing.index(change.version) :]
        standing.append(change.version)
    return standing[-2] if len(standing) > 1 else None


def read_version(state: TopicState, name: str, version: int | None = None) -> Document:
    """A version of a policy, by default the one that is to be in force; raises `PolicyError`."""
    if version is None and name in state.in_force:
        version = state.in_force[name].version
    found = state.versions.get(name, {}).get(version or 0)
    if found is None:
        what = f"no policy {name!r}; there are: {_names(state)}"
        raise PolicyError(f"{state.topic}: {f'no version {version} of {name!r}' if version else what}")
    return read_document(found.document, f"{state.topic} {name}@{version}")


def _changed(
    state: TopicState, name: str, version: int, action: Literal["push", "rollback"], by: str, note: str, at: str
) -> tuple[str, InForce]:
    before = state.in_force.get(name) or InForce(version)
    return name, before.changed(Change(version, action, at, by, note))


def _names(state: TopicState) -> str:
    return ", ".join(sorted(state.in_force)) or "none"


def _versions(state: TopicState, name: str) -> str:
    return ", ".join(map(str, sorted(state.versions.get(name, {})))) or "none"
