"""The posts that a report shows: what they say, with the evidence marked in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sluice.errors import InvalidPost
from sluice.report.html import Element, make
from sluice.schema import AudioEvidence, ImageEvidence, Post, Reason, TextEvidence, Verdict, decode_post

MAX_CHARACTERS = 1200
"""Of a text that is shown whole; of a longer one the evidence is, with what is around it."""
AROUND = 150
MAX_PICTURE_BYTES = 700_000
"""Of an inline picture that is shown, as base64."""
EMBEDDABLE = re.compile(r"data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}")
"""What a page may hold: pixels, never a drawing that could load something."""

Span = tuple[int, int]


def pick_posts(lines: Iterable[bytes], wanted: set[str]) -> dict[str, Post]:
    """The posts with these ids; lines that are no posts are passed over, since their dead letters are counted."""
    found: dict[str, Post] = {}
    for line in lines:
        try:
            post = decode_post(line)
        except InvalidPost:
            continue
        if post.id in wanted:
            found.setdefault(post.id, post)
    return found


def show_post(verdict: Verdict, post: Post | None) -> Element:
    """One post and its verdict; without the post, what the verdict says alone."""
    content = [] if post is None else [_show_text(post, verdict), *_show_pictures(post, verdict)]
    reasons = make("ul", *(_show_reason(reason) for reason in verdict.reasons), class_="reasons")
    unread = [f"{part}: {status}" for part, status in verdict.modalities.items() if status != "ok"]
    return make(
        "article",
        make(
            "header",
            make("span", verdict.decision, class_=f"pill {verdict.decision}"),
            make("span", verdict.language.code if verdict.language else "", class_="muted"),
            make("code", verdict.post_id),
        ),
        *content,
        reasons if verdict.reasons else make("p", "No score reached a threshold.", class_="muted"),
        make("p", "; ".join(unread), class_="muted") if unread else None,
    )


def _show_reason(reason: Reason) -> Element:
    parts = ", ".join(f"{part} {share:+.2f}" for part, share in reason.contributions.items())
    clips = [e for e in reason.evidence if isinstance(e, AudioEvidence)]
    heard = "".join(f"; clip {e.index + 1}: {e.start_s:.1f} to {e.end_s:.1f} s" for e in clips)
    said = f" {reason.score:.3f}, threshold {reason.threshold:.3f}"
    return make(
        "li", make("b", reason.label), said, make("span", f" ({parts}{heard})", class_="muted") if parts else None
    )


def _show_text(post: Post, verdict: Verdict) -> Element | None:
    if not post.text:
        return None
    evidence = [e for reason in verdict.reasons for e in reason.evidence if isinstance(e, TextEvidence)]
    spans = merge_spans([(e.start, e.end) for e in evidence], len(post.text))
    children: list[Element | str] = []
    for start, end in find_windows(spans, len(post.text)):
        children += ["… "] if start else []
        at = start
        for left, right in [span for span in spans if start <= span[0] and span[1] <= end]:
            children += [post.text[at:left], make("mark", post.text[left:right])]
            at = right
        children.append(post.text[at:end])
    shown_to = find_windows(spans, len(post.text))[-1][1]
    return make("blockquote", *children, " …" if shown_to < len(post.text) else None, dir="auto")


def merge_spans(spans: Iterable[Span], length: int) -> list[Span]:
    """In order, inside the text, none touching another."""
    merged: list[Span] = []
    for start, end in sorted((max(0, start), min(end, length)) for start, end in spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged


def find_windows(spans: Sequence[Span], length: int) -> list[Span]:
    """Which stretches of a text are shown: all of a short one; of a long one what lies around its first evidence."""
    if length <= MAX_CHARACTERS:
        return [(0, length)]
    if not spans:
        return [(0, MAX_CHARACTERS)]
    windows = merge_spans([(start - AROUND, end + AROUND) for start, end in spans], length)
    kept, room = [], MAX_CHARACTERS
    for start, end in windows:
        if room <= 0:
            break
        kept.append((start, min(end, start + max(room, 2 * AROUND))))
        room -= end - start
    return kept


def _show_pictures(post: Post, verdict: Verdict) -> list[Element]:
    evidence = [e for reason in verdict.reasons for e in reason.evidence if isinstance(e, ImageEvidence)]
    return [
        _show_picture(media.uri, [e for e in evidence if e.index == index])
        for index, media in enumerate(post.images)
        if len(media.uri) <= MAX_PICTURE_BYTES and EMBEDDABLE.fullmatch(media.uri)
    ]


def _show_picture(uri: str, evidence: Sequence[ImageEvidence]) -> Element:
    boxes = [
        make("rect", x=left * 100, y=top * 100, width=(right - left) * 100, height=(bottom - top) * 100)
        for left, top, right, bottom in (e.box for e in evidence)
    ]
    overlay = make("svg", *boxes, viewBox="0 0 100 100", preserveAspectRatio="none", aria_hidden="true")
    return make("figure", make("img", src=uri, alt=f"Picture of the post, {len(boxes)} places marked"), overlay)
