"""What the records of the policies topic come to."""

from __future__ import annotations

import msgspec
import pytest

from sluice.errors import PolicyError
from sluice.policies.changes import make_push, make_rollback
from sluice.policies.records import MAX_CHANGES, Change, InForce, TopicState, Version, key_of
from sluice.verdict.documents import read_document


def state_of(*texts: str) -> TopicState:
    state = TopicState("topic")
    for n, text in enumerate(texts):
        push(state, text, f"t{n}")
    return state


def push(state: TopicState, text: str, at: str = "t") -> None:
    apply(state, make_push(state, [read_document(text)], "ann", at=at))


def apply(state: TopicState, made) -> None:
    for name, version, value in made.versions:
        assert state.apply(key_of(name, version), msgspec.json.encode(value)) is None
    for name, in_force in made.in_force:
        assert state.apply(key_of(name), msgspec.json.encode(in_force)) is None


def policy(version: int, name: str = "a") -> str:
    return f"name: {name}\nversion: {version}\nlabels: {{}}\n"


def sources(state: TopicState) -> dict[str, list[str]]:
    return {each.name: [text.source for text in each.texts] for each in state.wanted()}


def test_what_is_wanted_is_followed_by_what_was_before() -> None:
    state = state_of(policy(1), policy(2), policy(3), policy(1, "b@home"))
    assert sources(state) == {"a": ["topic a@3", "topic a@2", "topic a@1"], "b@home": ["topic b@home@1"]}
    apply(state, make_rollback(state, "a", None, "bob", at="t9"))
    assert sources(state) == {"b@home": ["topic b@home@1"], "a": ["topic a@2", "topic a@3", "topic a@1"]}
    assert state.in_force["a"].changes[0] == Change(2, "rollback", "t9", "bob")


def test_each_rollback_goes_one_further_back_and_none_forth_again() -> None:
    state = state_of(policy(1), policy(2), policy(3))
    for version in (2, 1):
        apply(state, make_rollback(state, "a", None, "bob"))
        assert state.in_force["a"].version == version
    with pytest.raises(PolicyError, match="'a' has had no version before 1"):
        make_rollback(state, "a", None, "bob")
    apply(state, make_rollback(state, "a", 3, "bob"))
    apply(state, make_rollback(state, "a", None, "bob"))
    assert state.in_force["a"].version == 1


def test_after_compaction_it_is_the_same() -> None:
    state = state_of(policy(1), policy(2))
    compacted = TopicState("topic")
    for version in (2, 1):
        compacted.apply(key_of("a", version), msgspec.json.encode(state.versions["a"][version]))
    compacted.apply(key_of("a"), msgspec.json.encode(state.in_force["a"]))
    assert compacted.wanted() == state.wanted()


def test_a_tombstone_takes_away() -> None:
    state = state_of(policy(1), policy(2))
    state.apply(key_of("a", 2), None)
    assert sources(state) == {"a": ["topic a@1"]}
    state.apply(key_of("a"), None)
    assert (sources(state), state.in_force) == ({}, {})


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, b"{}"), (b"", b"{}"), (b"a", b"{}"), (b"@1", b"{}"), (b"a@one", b"{}"), (b"a@1", b"{}"), (b"a@", b"[]"),
     (b"a@1", b"\xff"), (b"\xff@x", None)],
)  # fmt: skip
def test_a_record_that_is_none_changes_nothing(key: bytes | None, value: bytes | None) -> None:
    state = state_of(policy(1))
    before = state.wanted()
    assert state.apply(key, value)
    assert state.wanted() == before


def test_changes_have_an_end() -> None:
    in_force = InForce(1)
    for n in range(MAX_CHANGES + 5):
        in_force = in_force.changed(Change(n, "push", "t"))
    assert (in_force.version, len(in_force.changes)) == (MAX_CHANGES + 4, MAX_CHANGES)


def test_the_same_version_may_be_pushed_again_as_it_is() -> None:
    state = state_of(policy(1))
    push(state, "# a comment\n" + policy(1))
    assert isinstance(state.versions["a"][1], Version)
    assert [change.version for change in state.in_force["a"].changes] == [1, 1]
