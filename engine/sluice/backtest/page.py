"""A backtest as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sluice.backtest.changes import NONE, Example
from sluice.backtest.figures import BacktestFigures, GroupFigure, TurnFigure
from sluice.report.elements import (
    draw_decisions,
    draw_interval,
    make_drawing,
    make_row,
    make_section,
    make_table,
    make_tile,
    name_code,
    write_document,
)
from sluice.report.html import Element, make
from sluice.report.posts import show_post
from sluice.schema import DECISIONS, Post

MAX_ROWS = 40


def write_backtest(figures: BacktestFigures, examples: Sequence[Example], posts: Mapping[str, Post]) -> str:
    """The page as HTML.

    Parameters
    ----------
    examples : sequence of Example
        The posts whose decision changes most.
    posts : mapping of str to Post
        By id, as far as they are known.
    """
    shown = [_show(each, posts) for each in examples]
    return write_document(
        "Backtest",
        make("p", _describe(figures), class_="muted"),
        _tiles(figures),
        make_section("Guards", _guards(figures), "What the change must not do."),
        make_section("Decisions", _decisions(figures), "Before, and under the policies that were tried."),
        make_section("What turns", _turns(figures), "Shares of all posts, with 95 % intervals."),
        make_section("By label", _groups(figures.by_label), "Posts that the label flagged, or would flag."),
        make_section("By language", _groups(figures.by_language, is_language=True), "Of the posts in that language."),
        make_section("By tenant", _groups(figures.by_tenant), "Of the posts of that tenant."),
        make_section("Rules", _rules(figures), "Posts on which a rule would be true."),
        make_section("Posts that turn", _posts(shown), "The first decision is the one they have."),
    )


def _posts(shown: Sequence[Element]) -> Element | None:
    return make("div", *shown, class_="posts") if shown else None


def _show(example: Example, posts: Mapping[str, Post]) -> Element:
    verdict, said = example.verdict, example.said
    rules = f", by {', '.join(said.rules)}" if said.rules else ""
    post = show_post(verdict, posts.get(verdict.post_id))
    return make("div", make("p", f"{verdict.decision} → {said.decision}{rules}", class_="muted"), post)


def _describe(figures: BacktestFigures) -> str:
    said = f"{figures.posts:,} posts decided anew by {', '.join(figures.policies)}."
    said += f" {figures.repeated:,} repeated verdicts are left out." if figures.repeated else ""
    said += f" {figures.cleared:,} were cleared by the first stage." if figures.cleared else ""
    said += f" {figures.without_basis:,} verdicts are older than this way of testing." if figures.without_basis else ""
    return said + (f" A rule failed on {figures.failed_rules:,} posts." if figures.failed_rules else "")


def _tiles(figures: BacktestFigures) -> Element:
    tiles = [make_tile("changed", figures.changed, f"{figures.changed / max(1, figures.posts):.2%}")]
    for decision, (was, would_be) in figures.decisions.items():
        tiles.append(make_tile(decision, would_be, f"{would_be - was:+,}"))
    return make("ul", *tiles, class_="tiles")


def _guards(figures: BacktestFigures) -> Element | None:
    rows = [
        make_row(each.guard, _percent(each.measured), "broken" if each.broken else "kept") for each in figures.guards
    ]
    return make_table(["guard", "measured", ""], rows) if rows else None


def _percent(measured: float | None) -> str:
    return "none before" if measured is None else f"{measured:+.2f} %"


def _decisions(figures: BacktestFigures) -> Element:
    rows = []
    for index, name in enumerate(("before", "after")):
        counts = {decision: pair[index] for decision, pair in figures.decisions.items()}
        bar = draw_decisions(counts, max(1, figures.posts))
        row = make_row(name, *(f"{counts[decision]:,}" for decision in DECISIONS))
        row.append(make_drawing(bar))
        rows.append(row)
    return make_table(["", *DECISIONS, ""], rows)


def _turns(figures: BacktestFigures) -> Element | None:
    turns = [each for each in figures.turns if each.was != each.would_be]
    most = max((each.high for each in turns), default=0.0)
    rows = []
    for each in turns:
        row = make_row(f"{each.was} → {each.would_be}", f"{each.posts:,}", f"{each.share:.2%}", _interval(each))
        row.append(make_drawing(draw_interval(each.low, each.share, each.high, most)))
        rows.append(row)
    return make_table(["decision", "posts", "share", "95 % interval", ""], rows) if rows else None


def _interval(figure: TurnFigure | GroupFigure) -> str:
    return f"{figure.low:.2%} – {figure.high:.2%}"


def _groups(groups: Sequence[GroupFigure], is_language: bool = False) -> Element | None:
    shown = groups[:MAX_ROWS]
    most = max((each.high for each in shown), default=0.0)
    rows = [_group(each, most, is_language) for each in shown]
    return make_table(["", "posts", "changed", "share", "95 % interval", "what", ""], rows) if rows else None


def _group(each: GroupFigure, most: float, is_language: bool) -> Element:
    row = make_row(
        name_code(each.name) if is_language and each.name != NONE else each.name,
        f"{each.posts:,}",
        f"{each.changed:,}",
        f"{each.share:.2%}",
        _interval(each),
        ", ".join(f"{turn.replace('>', ' → ')} {n:,}" for turn, n in each.turns.items()) or "–",
    )
    row.append(make_drawing(draw_interval(each.low, each.share, each.high, most)))
    return row


def _rules(figures: BacktestFigures) -> Element | None:
    rows = [make_row(name, f"{n:,}") for name, n in list(figures.by_rule.items())[:MAX_ROWS]]
    return make_table(["rule", "posts"], rows) if rows else None
