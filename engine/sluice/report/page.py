"""A summary as one HTML file: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from sluice.report.elements import draw_decisions, make_section, make_table, make_tile, name_code, write_document
from sluice.report.gathering import N_BINS, Summary, ordered_labels
from sluice.report.html import Element, make
from sluice.report.posts import show_post
from sluice.schema import DECISIONS, Post, Verdict
from sluice.verdict.policy import Policy

MAX_ROWS = 40
SHARES = (50, 90, 99)
"""Percentiles of the latencies."""


def write_report(summary: Summary, posts: Mapping[str, Post]) -> str:
    """The report as HTML.

    Parameters
    ----------
    posts : mapping of str to Post
        By id; those of `Summary.shown_ids` are shown.
    """
    return write_document("Moderation report", *_sections(summary, posts))


def _sections(summary: Summary, posts: Mapping[str, Post]) -> list[Element | None]:
    return [
        make("p", _describe(summary), class_="muted"),
        _tiles(summary),
        make_section(
            "Decisions by label", _decisions(summary.by_label, "label", str), "Posts with a reason of that label."
        ),
        make_section(
            "Decisions by language", _decisions(summary.by_language, "language", name_code), "Of posts with a text."
        ),
        make_section("Scores", _histograms(summary), "How many posts have which score; the heights are logarithmic."),
        make_section(
            "Most certain", _show(summary.certain.ordered(), posts), "The strictest first, by the highest scores."
        ),
        make_section(
            "Borderline",
            _show(summary.borderline.ordered(), posts),
            "A small change of a score would turn the decision.",
        ),
        make_section("Not read, or not whole", _statuses(summary), "Parts of posts."),
        make_section("Dead letters", _counts(summary.dead_letters, "reason"), "Messages that were no posts."),
        make_section("Latency", _latency(summary), "Milliseconds per post."),
    ]


def _describe(summary: Summary) -> str:
    name, version = summary.policy.name, summary.policy.version
    said = f"{summary.n_verdicts:,} posts; thresholds of the policy {name}, version {version}."
    others = sum(n for ref, n in summary.policies.items() if ref != (name, version))
    said += f" {others:,} posts were decided by another policy." if others else ""
    said += f" {summary.n_repeated:,} repeated verdicts are left out." if summary.n_repeated else ""
    return f"{said} This file holds what people posted: keep it as you keep their posts."


def _tiles(summary: Summary) -> Element:
    n = max(1, summary.n_verdicts)
    counts = [(decision, summary.decisions[decision]) for decision in DECISIONS]
    tiles = [make_tile(decision, count, f"{count / n:.1%}") for decision, count in counts]
    tiles += [make_tile("dead letter", summary.dead_letters.total(), "")] if summary.dead_letters else []
    return make("ul", *tiles, class_="tiles")


def _decisions(counted: Mapping[str, Counter[str]], what: str, name: object) -> Element | None:
    if not counted:
        return None
    call = name if callable(name) else str
    ordered = sorted(counted.items(), key=lambda entry: (-entry[1].total(), entry[0]))
    most = ordered[0][1].total()
    rows = [
        make(
            "tr",
            make("th", call(key), scope="row"),
            *(make("td", f"{counts[each]:,}" if counts[each] else "–") for each in DECISIONS),
            make("td", draw_decisions(counts, most), class_="bar"),
        )
        for key, counts in ordered[:MAX_ROWS]
    ]
    return make_table([what, *DECISIONS, ""], rows)


def _histograms(summary: Summary) -> Element | None:
    labels = ordered_labels(summary)
    return make("div", *(_histogram(summary, label) for label in labels), class_="grid") if labels else None


def _histogram(summary: Summary, label: str) -> Element:
    counts = summary.histograms[label]
    heights = 40 * np.log1p(counts) / max(1.0, float(np.log1p(counts.max())))
    bars = [
        make("rect", x=index * 5 + 0.5, y=f"{40 - height:.2f}", width=4, height=f"{height:.2f}")
        for index, height in enumerate(heights)
    ]
    over = int(counts[N_BINS // 2 :].sum())
    drawing = make(
        "svg", *bars, *_ticks(summary.policy, label), viewBox="0 0 100 42", preserveAspectRatio="none", role="img",
        aria_label=f"Scores of {label}: {over:,} posts over 0.5",
    )  # fmt: skip
    scale = make("p", make("span", "0"), make("span", f"{over:,} over 0.5"), make("span", "1"), class_="scale")
    return make("div", make("h3", label), drawing, scale, class_="histogram")


def _ticks(policy: Policy, label: str) -> list[Element]:
    thresholds = policy.labels.get(label)
    if thresholds is None:
        return []
    marks = [(each, getattr(thresholds, each)) for each in ("review", "block")]
    return [make("line", x1=at * 100, x2=at * 100, y1=0, y2=42, class_=name) for name, at in marks if at is not None]


def _show(verdicts: Sequence[Verdict], posts: Mapping[str, Post]) -> Element | None:
    shown = [show_post(verdict, posts.get(verdict.post_id)) for verdict in verdicts]
    return make("div", *shown, class_="posts") if shown else None


def _statuses(summary: Summary) -> Element | None:
    return _counts(
        Counter({f"{kind}: {status}": n for (kind, status), n in summary.statuses.items()}), "part and status"
    )


def _counts(counts: Counter[str], what: str) -> Element | None:
    rows = [make("tr", make("th", key, scope="row"), make("td", f"{n:,}")) for key, n in counts.most_common(MAX_ROWS)]
    return make_table([what, "posts"], rows) if rows else None


def _latency(summary: Summary) -> Element | None:
    rows = []
    for stage, values in summary.latency_ms.items():
        found = np.percentile(np.frombuffer(values), SHARES, method="inverted_cdf")
        rows.append(make("tr", make("th", stage, scope="row"), *(make("td", f"{value:,.1f}") for value in found)))
    return make_table(["stage", *(f"p{share}" for share in SHARES)], rows) if rows else None
