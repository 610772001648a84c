import io

import pytest
from rich.console import Console

from sluice.cli import render
from sluice.schema import AudioEvidence, ImageEvidence, TextEvidence
from tests.engine.cli.verdicts import make_reason, make_verdict


def print_plain(table, width=200):
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue()


@pytest.mark.parametrize(
    ("n", "share", "expected"),
    [(1, 0.5, 0), (2, 0.5, 0), (4, 0.5, 1), (100, 0.99, 98), (200, 0.99, 197), (20, 0.99, 19)],
)
def test_percentile_is_the_nearest_rank(n, share, expected):
    assert render.percentile(list(reversed(range(n))), share) == expected


def test_a_verdict_on_one_line():
    verdict = make_verdict(
        decision="block",
        reasons=(make_reason("threat", 0.97, EVIDENCE), make_reason("spam", 0.99, EVIDENCE[:1])),
        modalities={"text": "ok", "image:0": "failed: not an image", "audio:0": "partial: 1 of 2 windows read"},
    )
    unscored = "image:0 failed: not an image; audio:0 partial: 1 of 2 windows read"
    seen = "text 4-9, image:1 10-50 x 20-40 %, audio:0 1.2-2.0 s"
    said = f"2026-11-23T10:00:00.000Z  p-1  block  threat 0.97, spam 0.99  {seen}  {unscored}  11.0 ms"
    assert render.describe_verdict(verdict) == said


EVIDENCE = (TextEvidence(4, 9), ImageEvidence(1, (0.1, 0.2, 0.5, 0.4)), AudioEvidence(0, 1.23, 2.0))


def test_the_table_shows_text_evidence_all_reasons_and_the_time():
    table = render.make_outcome_table()
    reasons = (make_reason("threat", 0.97, EVIDENCE), make_reason("spam", 0.99))
    render.add_verdict(table, "p-1", make_verdict(decision="block", reasons=reasons), "you little\nterror " + "x" * 90)
    text = " ".join(print_plain(table, width=400).split())
    for shown in (
        "you little terror xxx",
        "xxx... ",
        "threat 0.97, spam 0.99",
        '"littl',
        "image:1 10-50 x 20-40 %",
        "11.0",
    ):
        assert shown in text, text


def test_what_is_shown_of_a_text_is_ascii_if_the_text_is():
    assert render.shorten("a" * 200).isascii()
    assert len(render.shorten("a" * 200)) == render.MAX_SHOWN
    assert render.shorten(" a\t b\n") == "a b"


def test_the_table_shows_markup_as_text():
    table = render.make_outcome_table()
    render.add_verdict(table, "[red]p-1[/red]", make_verdict(modalities={"text": "failed: [bold]"}), "[blink]hi")
    render.add_dead_letter(table, "line 2", "not_json")
    text = print_plain(table)
    for shown in ("[red]p-1[/red]", "failed: [bold]", "not_json", "[blink]hi"):
        assert shown in text


def test_nothing_steers_the_terminal():
    odd = "p\x1b[2J\x9b\u202e\r帖"
    shown = "p\ufffd[2J\ufffd\ufffd\ufffd帖"
    assert render.describe_verdict(make_verdict(post_id=odd)).startswith(f"2026-11-23T10:00:00.000Z  {shown}  allow")
    table = render.make_outcome_table()
    render.add_verdict(table, odd, make_verdict())
    render.add_dead_letter(table, odd, "not_json")
    assert print_plain(table).count(shown) == 2


def test_latencies_per_stage():
    slow = make_verdict(latency_ms={"wait": 3.0, "total": 5.0})
    stages = render.collect_stages([make_verdict(), slow])
    assert stages["wait"] == [1.0, 3.0]
    assert stages["encode"] == [8.0]
    text = print_plain(render.make_latency_table({**stages, "nothing": []}))
    assert "total" in text
    assert "nothing" not in text
