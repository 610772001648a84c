"""Contents in chunks: what a reader has of them at every moment of a change."""

from __future__ import annotations

import msgspec
import pytest

from sluice.lists.entries import Entry
from sluice.watching.lists import LISTS
from sluice.watching.records import Change, WatchState, digest_of, key_of, make_head


def entries(n_entries: int, note: str | None = None) -> list[Entry]:
    return [Entry("word", f"word{n}", note=note) for n in range(n_entries)]


def change(version: int, action: str = "push") -> Change:
    return Change(version, action, 0, 0, 0, "t")  # type: ignore[arg-type]


def test_entries_come_back_and_a_change_of_one_changes_one_chunk() -> None:
    many = entries(5_000)
    chunks = LISTS.pack(many)
    assert len(chunks) == 16
    assert sorted(LISTS.unpack(chunks), key=lambda entry: entry.value) == sorted(many, key=lambda entry: entry.value)
    changed = LISTS.pack([msgspec.structs.replace(many[7], note="why"), *many[:7], *reversed(many[8:])])
    assert len(set(changed) - set(chunks)) == 1
    assert LISTS.pack([]) == []
    assert LISTS.compare(many, [*many[1:], Entry("word", "new")]) == (1, 1)


def test_a_reader_has_what_was_before_or_what_is_after_and_never_a_part_of_both() -> None:
    state = WatchState("t")
    before, after = LISTS.pack(entries(1_200)), LISTS.pack(entries(1_200, note="other"))
    first = make_head(None, before, change(1))
    second = make_head(first, after, change(2))
    records = [(key_of("a", digest_of(chunk)), chunk) for chunk in before]
    records.append((key_of("a"), msgspec.json.encode(first)))
    records += [(key_of("a", digest_of(chunk)), chunk) for chunk in after]
    records.append((key_of("a"), msgspec.json.encode(second)))
    seen = []
    for key, value in records:
        assert state.apply(key, value) is None
        seen.append({name: set(content.chunks) for name, content in state.contents().items()})
    n_first = len(before) + 1
    assert all(each == {} for each in seen[: n_first - 1])
    assert all(each == {"a": set(before)} for each in seen[n_first - 1 : -1])
    assert seen[-1] == {"a": set(after)}


def test_what_lacks_a_chunk_is_named_and_what_was_removed_is_not() -> None:
    state, chunks = WatchState("t"), LISTS.pack(entries(1_200))
    head = make_head(None, chunks, change(3))
    state.apply(key_of("a"), msgspec.json.encode(head))
    for chunk in chunks[1:]:
        state.apply(key_of("a", digest_of(chunk)), chunk)
    assert state.contents() == {}
    assert state.torn() == ["t a@: chunks of version 3 are missing"]
    gone = make_head(head, (), change(4, "remove"))
    state.apply(key_of("a"), msgspec.json.encode(gone))
    assert (state.contents(), state.torn()) == ({}, [])


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (b"?", b"x", "is not NAME@DIGEST or NAME@"),
        (b"a b@", b"{}", "is not NAME@DIGEST or NAME@"),
        (b"a@" + b"0" * 32, b"x", "does not hold what its key says"),
        (b"a@", b"{", "the record a@"),
        (None, None, "is not NAME@DIGEST or NAME@"),
    ],
)
def test_records_that_are_none_change_nothing(key: bytes | None, value: bytes | None, said: str) -> None:
    state = WatchState("t")
    assert said in str(state.apply(key, value))
    assert (state.chunks, state.heads) == ({}, {})
