"""Overrules and drift as HTML files."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.people.drift import DriftFigures
from sluice.people.overrules import OverruleFigures, Rate
from sluice.report.elements import make_row, make_section, make_table, name_code, write_document
from sluice.report.html import Element, make

HEADINGS = ("posts", "allowed", "blocked", "overruled", "95 % interval")


def write_overrules(figures: OverruleFigures) -> str:
    """The page as HTML."""
    return write_document(
        "What people decided",
        make("p", f"{figures.posts:,} posts with a verdict and a person's decision.", class_="muted"),
        make_section("By decision", _table(figures.by_decision), "What the verdict said. A review is never overruled."),
        make_section("Picked at random", _table(figures.sampled), "What holds for all posts."),
        make_section("Appeals", _table(figures.appeals), "Posts whose authors asked for it."),
        make_section("Flagged by label", _table(figures.wrongly_flagged), "Overruled: people say that it is not it."),
        make_section("By language", _table(figures.by_language, is_language=True), "All occasions together."),
        make_section("By tenant", _table(figures.by_tenant), "All occasions together."),
        make_section("By policy", _table(figures.by_policy), "All occasions together."),
    )


def _table(rates: Sequence[Rate], is_language: bool = False) -> Element | None:
    rows = [make_row(name_code(each.name) if is_language else each.name, *tell_rate(each)) for each in rates]
    return make_table(["", *HEADINGS], rows) if rows else None


def tell_rate(rate: Rate) -> tuple[str, ...]:
    """The cells below `HEADINGS`."""
    return (
        f"{rate.posts:,}", f"{rate.allowed:,}", f"{rate.blocked:,}", f"{rate.overruled:,} ({rate.share:.1%})",
        f"{rate.low:.1%} to {rate.high:.1%}",
    )  # fmt: skip


def write_drift(drift: DriftFigures) -> str:
    """The page as HTML."""
    rows = [make_row(each.what, f"{each.index:.3f}", each.size) for each in drift.figures]
    return write_document(
        "Drift",
        make("p", f"{drift.posts_now:,} posts, held against {drift.posts_before:,} before.", class_="muted"),
        make_section("What has moved", make_table(["", "index", "change"], rows), "Population stability index."),
    )
