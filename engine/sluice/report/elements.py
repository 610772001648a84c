"""What reports are made of: the page around them, sections, tables, and tiles with counts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from sluice.features.language_names import name_language
from sluice.report.html import Child, Element, make, write
from sluice.schema import DECISIONS


def write_document(title: str, *content: Child) -> str:
    """A self-contained page: no script, nothing loaded from elsewhere."""
    style = files("sluice.report").joinpath("report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = make(
        "head",
        make("meta", charset="utf-8"),
        make("meta", http_equiv="Content-Security-Policy", content=allowed),
        make("meta", name="viewport", content="width=device-width, initial-scale=1"),
        make("meta", name="color-scheme", content="light dark"),
        make("title", title),
        make("style", style),
    )
    return write(make("html", head, make("body", make("main", make("h1", title), *content)), lang="en"))


def make_section(title: str, content: Element | None, note: str) -> Element | None:
    """A heading, a note and what they are about; None without it."""
    if content is None:
        return None
    return make("section", make("h2", title), make("p", note, class_="muted"), content)


def make_tile(name: str, count: int, note: str) -> Element:
    """A large count with its name, in the colour of a decision if that is what the name begins with."""
    return make(
        "li", make("b", f"{count:,}"), make("span", name), make("span", note, class_="muted"), class_=name.split()[0]
    )


def make_table(names: Iterable[str], rows: Sequence[Element]) -> Element:
    """A table with a head; a column without a name has none."""
    head = make("thead", make("tr", *(make("th", name, scope="col") if name else make("td") for name in names)))
    return make("div", make("table", head, make("tbody", *rows)), class_="table")


def make_row(name: str, *cells: Child) -> Element:
    """A row with its heading."""
    return make("tr", make("th", name, scope="row"), *(make("td", cell) for cell in cells))


def draw_decisions(counts: Mapping[str, int], most: int) -> Element:
    """A bar of a row's decisions, as long as the row is large."""
    bars, at = [], 0.0
    for decision in DECISIONS:
        width = 100 * counts.get(decision, 0) / most
        bars.append(make("rect", x=f"{at:.3f}", y=0, width=f"{width:.3f}", height=10, class_=decision))
        at += width
    return make("svg", *bars, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def draw_interval(low: float, share: float, high: float, most: float) -> Element:
    """A share and its interval as a line with a mark, on a scale from 0 to `most`."""
    begin, middle, end = (100 * min(1.0, each / most) if most > 0 else 0.0 for each in (low, share, high))
    line = make("rect", x=f"{begin:.3f}", y=4, width=f"{max(0.4, end - begin):.3f}", height=2)
    mark = make("rect", x=f"{min(99.0, middle):.3f}", y=0, width=1, height=10, class_="review")
    return make("svg", line, mark, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def draw_share(share: float, kind: str = "") -> Element:
    """A bar, as long as a share in [0, 1] is large; in the colour of a decision, if that is what it is of."""
    bar = make("rect", x=0, y=0, width=f"{100 * min(1.0, share):.3f}", height=10, class_=kind)
    return make("svg", bar, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def make_drawing(drawing: Element) -> Element:
    """The cell of a drawing; a row is given it last."""
    return make("td", drawing, class_="bar")


def name_code(code: str) -> str:
    """A language for people; ``und`` is a text whose language is not sure."""
    return "not sure" if code == "und" else name_language(code)
