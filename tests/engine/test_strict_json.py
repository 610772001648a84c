"""JSON of others: one error for whatever is wrong with it."""

from __future__ import annotations

import msgspec
import pytest

from sluice.human_decision import DecisionError, read_decision
from sluice.policies.records import TopicState
from sluice.schema import decode_verdict
from sluice.strict_json import read_json
from sluice.watching.records import WatchState

NOT_UTF_8 = b'{"version":1,"document":"\xff","changes":[{"at":"\xff","by":"\xff"}],"chunks":["\xff"],"post_id":"\xff"}'
WRONG = (NOT_UTF_8, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b"{", b"[]", b"")


@pytest.mark.parametrize("raw", WRONG, ids=["not UTF-8", "nested", "cut", "a list", "nothing"])
def test_whatever_is_wrong_is_one_error_and_changes_nothing(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_json(msgspec.json.Decoder(dict[str, int]).decode, raw)
    with pytest.raises(msgspec.DecodeError):
        decode_verdict(raw)
    with pytest.raises(DecisionError):
        read_decision(raw)
    policies, watched = TopicState("policies"), WatchState("lists")
    assert policies.apply(b"a@1", raw)
    assert policies.apply(b"a@", raw)
    assert watched.apply(b"a@", raw)
    assert not policies.in_force
    assert not watched.heads


def test_a_key_with_thousands_of_digits_is_no_version() -> None:
    assert TopicState("policies").apply(b"a@" + b"9" * 5_000, None) is not None
