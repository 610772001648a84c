"""Overrules and drift as HTML files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sluice.people.drift import DriftFigures, WeekFigure
from sluice.people.overrules import OverruleFigures, Rate
from sluice.report.elements import (
    draw_decisions,
    draw_interval,
    draw_share,
    make_drawing,
    make_row,
    make_section,
    make_table,
    name_code,
    write_document,
)
from sluice.report.html import Element, make

WIDEST = 0.5
"""Of the index, where its bar ends."""

COLOURS = {"none": "allow", "some": "review", "large": "block"}
"""Of a change, as a decision's."""

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
    rows = []
    for each in rates:
        row = make_row(name_code(each.name) if is_language else each.name, *tell_rate(each))
        row.append(make_drawing(draw_interval(each.low, each.share, each.high, 1.0)))
        rows.append(row)
    return make_table(["", *HEADINGS, ""], rows) if rows else None


def tell_rate(rate: Rate) -> tuple[str, ...]:
    """The cells below `HEADINGS`."""
    return (
        f"{rate.posts:,}", f"{rate.allowed:,}", f"{rate.blocked:,}", f"{rate.overruled:,} ({rate.share:.1%})",
        f"{rate.low:.1%} to {rate.high:.1%}",
    )  # fmt: skip


def write_drift(drift: DriftFigures) -> str:
    """The page as HTML."""
    return write_document(
        "Drift",
        make("p", f"{drift.posts_now:,} posts, held against {drift.posts_before:,} before.", class_="muted"),
        make_section("What has moved", _moved(drift), "Population stability index; the bar ends at 0.5."),
        make_section("By week", _weeks(drift.weeks), "Each held against all before the last one."),
    )


def _moved(drift: DriftFigures) -> Element:
    rows = []
    for each in drift.figures:
        row = make_row(each.what, f"{each.index:.3f}", each.size)
        row.append(make_drawing(draw_share(each.index / WIDEST, COLOURS[each.size])))
        rows.append(row)
    return make_table(["", "index", "change", ""], rows)


def _weeks(weeks: Sequence[WeekFigure]) -> Element | None:
    rows = []
    for week in weeks:
        begins, n_posts, _, languages, moved = tell_week(week)
        row = make_row(begins, n_posts, languages, moved)
        row.append(make_drawing(draw_decisions({name: round(1000 * n) for name, n in week.decisions.items()}, 1000)))
        rows.append(row)
    return make_table(["from", "posts", "languages", "moved most", "decisions"], rows) if rows else None


def tell_week(week: WeekFigure) -> tuple[str, str, str, str, str]:
    """A week in words: since when, how many posts, their decisions and languages, and what has moved most."""
    moved = ", ".join(f"{each.what} {each.index:.3f}" for each in week.moved)
    return (
        week.begins[:16].replace("T", " "), f"{week.posts:,}", _list_shares(week.decisions),
        _list_shares(week.languages), moved if week.enough else "too few posts",
    )  # fmt: skip


def _list_shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
