"""The report as a file: what it shows, and that nothing in it runs."""

from __future__ import annotations

import base64
import html
import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from sluice.report.gathering import summarise
from sluice.report.html import make, write
from sluice.report.page import write_report
from sluice.report.posts import find_windows, merge_spans, pick_posts
from sluice.schema import (
    AudioEvidence,
    DetectedLanguage,
    ImageEvidence,
    Media,
    Post,
    Reason,
    TextEvidence,
    Verdict,
    encode,
)
from sluice.verdict.policy import Policy, Thresholds
from tests.engine.cli.verdicts import make_verdict

RUNS = "<img src=x onerror=alert(1)><script>alert(1)</script>'\"><svg onload=alert(1)>"
POLICY = Policy(name=RUNS, version=1, labels={"hate": Thresholds(0.5, 0.9)})
VOID = {"meta", "img"}


class Tags(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read_tags(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    return tags


def make_reason(*evidence: TextEvidence | ImageEvidence | AudioEvidence, label: str = "hate") -> Reason:
    return Reason(label, 0.95, 0.9, {"text": 0.9, RUNS: -0.1}, evidence)


def make_page(post: Post, reason: Reason, **fields: object) -> str:
    verdict: Verdict = make_verdict(post.id, "block", reasons=(reason,), **fields)
    summary = summarise([encode(verdict)], POLICY)
    return write_report(summary, {post.id: post})


def test_only_the_posts_that_are_shown_are_kept() -> None:
    lines = [
        b"{",
        encode(Post(id="a", text="first")),
        encode(Post(id="a", text="later")),
        encode(Post(id="b", text="c")),
    ]
    assert pick_posts(lines, {"a"}) == {"a": Post(id="a", text="first")}


def draw_uri() -> str:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "skyblue").save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_nothing_that_a_post_or_a_verdict_says_becomes_markup() -> None:
    post = Post(id=RUNS, text=f"{RUNS} \0 \ud800", images=(Media(RUNS), Media("data:image/svg+xml;base64,AAAA")))
    page = make_page(post, make_reason(TextEvidence(0, 9), label=RUNS), modalities={RUNS: f"failed: {RUNS}"},
                     scores={RUNS: 0.9}, language=DetectedLanguage(RUNS, 0.5), latency_ms={RUNS: 1.0})  # fmt: skip
    tags = read_tags(page)
    assert not {"script", "iframe", "object", "form", "a", "img"} & set(tags.tags)
    assert not [name for name, _ in tags.attributes if name.startswith("on") or name in ("href", "style")]
    assert "alert(1)" in html.unescape(page)
    assert "\0" not in page
    page.encode("utf-8")


def test_the_page_allows_itself_nothing_but_its_own_style_and_pictures() -> None:
    page = make_page(Post(id="a", text="b"), make_reason())
    policy = html.unescape(page.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0])
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "http:" not in page
    assert "https:" not in page


def test_evidence_is_marked_in_texts_pictures_and_clips() -> None:
    post = Post(id="p-1", text="oh 😀 hateful & odd", images=(Media(draw_uri()),), audio=(Media("https://x/a"),))
    evidence = (TextEvidence(5, 12), ImageEvidence(0, (0.1, 0.2, 0.5, 0.6)), AudioEvidence(0, 1.0, 2.5))
    page = make_page(post, make_reason(*evidence))
    assert "<mark>hateful</mark> &amp; odd</blockquote>" in page
    assert re.search(r'<rect x="10.0" y="20.0" width="40.0" height="40.0">', page)
    assert "clip 1: 1.0 to 2.5 s" in page
    assert "0.950, threshold 0.900" in page


def test_counts_stand_in_tables() -> None:
    page = make_page(Post(id="p-1", text="a"), make_reason(), language=DetectedLanguage("de", 0.9),
                     modalities={"text": "ok", "image:0": "failed: late"})  # fmt: skip
    for said in ("German", "image: failed: late", "p99", "Most certain", "Borderline", "100.0%"):
        assert said in page
    assert "Dead letters" not in page


def test_without_the_posts_their_verdicts_are_shown() -> None:
    summary = summarise([encode(make_verdict("p-1", "block", reasons=(make_reason(TextEvidence(0, 3)),)))], POLICY)
    page = write_report(summary, {})
    assert "p-1" in page
    assert "<blockquote" not in page


def test_no_outcomes_give_a_page_too() -> None:
    page = write_report(summarise([], POLICY), {})
    read_tags(page)
    assert "0 posts" in page


@pytest.mark.parametrize(
    ("spans", "merged"),
    [([(5, 9), (0, 3)], [(0, 3), (5, 9)]), ([(0, 4), (2, 6)], [(0, 6)]), ([(-3, 2), (8, 99)], [(0, 2), (8, 10)]),
     ([(4, 4), (20, 30)], [])],
)  # fmt: skip
def test_spans_are_merged_inside_the_text(spans: list[tuple[int, int]], merged: list[tuple[int, int]]) -> None:
    assert merge_spans(spans, 10) == merged


def test_of_a_long_text_what_lies_around_the_evidence_is_shown() -> None:
    assert find_windows([], 100) == [(0, 100)]
    assert find_windows([], 5000) == [(0, 1200)]
    assert find_windows([(3000, 3010)], 5000) == [(2850, 3160)]
    many = find_windows([(n, n + 5) for n in range(0, 50_000, 1000)], 50_000)
    assert sum(end - start for start, end in many) <= 1200 + 300


def test_text_and_elements_stay_in_their_order() -> None:
    written = write(make("p", "a<", make("b", "c"), "d", None, "&", class_="x", data_y=1))
    assert written == '<!doctype html>\n<p class="x" data-y="1">a&lt;<b>c</b>d&amp;</p>'
