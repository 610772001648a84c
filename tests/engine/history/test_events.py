"""What verdicts and reports count for, whatever form they come in; and what cannot be read."""

from __future__ import annotations

import json

import msgspec
import pytest

from sluice.client.reports import Report
from sluice.formats import FORMATS, Format, encode_as, headers_for
from sluice.history.events import Event, read_report, read_verdict
from sluice.schema import AuthorHistory, Basis, PolicyRef, Verdict

VERDICT = Verdict(
    post_id="p-1", decision="block", scores={}, severity={}, reasons=(), modalities={}, policy=PolicyRef("p", 1),
    models={}, latency_ms={}, scored_at="2026-01-01T00:00:00.000Z", author_id="u-1", tenant="t",
    basis=Basis(author=AuthorHistory(counted_at=1800000000.123, text_hash="00000000000000ff")),
)  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_a_verdict_counts_in_every_form(form: Format) -> None:
    found = read_verdict(encode_as(VERDICT, form), headers_for(form, ()))
    assert found == Event("t", "u-1", "p-1", 1800000000123, 2, 255)


@pytest.mark.parametrize("fields", [{"author_id": None}, {"basis": None}, {"basis": Basis()}])
def test_a_verdict_without_an_author_or_a_history_counts_for_nothing(fields: dict[str, object]) -> None:
    assert read_verdict(msgspec.json.encode(msgspec.structs.replace(VERDICT, **fields))) is None


@pytest.mark.parametrize("hash_", ["xyz", "f" * 17, ""])
def test_what_is_no_verdict_is_refused(hash_: str) -> None:
    raw = msgspec.json.encode(VERDICT).replace(b"00000000000000ff", hash_.encode())
    for wrong in (None, b"{}", b"\xff", raw, raw.replace(b"1800000000.123", b"1e300")):
        with pytest.raises(msgspec.DecodeError):
            read_verdict(wrong)


def test_a_report_counts_for_whoever_made_it_or_else_for_itself() -> None:
    by_somebody = Report(author_id="u", reporter_id="v", tenant="t")
    assert read_report(msgspec.json.encode(by_somebody), 1.5, "r/0/7") == Event("t", "u", "by v", 1500)
    with_id = b'{"author_id": "u", "id": "r-1", "more": 1}'
    assert read_report(with_id, 1.5, "r/0/7") == Event(None, "u", "report r-1", 1500)
    for _ in range(2):  # the same whenever it is read
        assert read_report(b'{"author_id": "u"}', 1.5, "r/0/7") == Event(None, "u", "report r/0/7", 1500)
    for wrong in (None, b"{}", json.dumps({"author_id": ""}).encode()):
        with pytest.raises(msgspec.DecodeError):
            read_report(wrong, 0.0, "r/0/7")
