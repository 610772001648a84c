"""What the documents name is there: files, headings, settings, series, reasons, commands."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import typer
from prometheus_client import CollectorRegistry

import sluice
from sluice.cli import app
from sluice.errors import InvalidPost
from sluice.metrics import Metrics
from sluice.settings import READ_ELSEWHERE

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TOP = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = [*TOP, *(page for page in sorted(DOCS.rglob("*.md")) if not page.is_symlink())]

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
BESIDE = re.compile(r"`([\w/.]+\.py)` \(([^)]*)\)")
IDENTIFIER = re.compile(r"`(?:\w+\.)*(\w+)`")
SOURCE = re.compile(r"(engine|models|tests|ops|triton_repo|docs|\.ci|\.github)/[\w./*{},-]*")


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub and MkDocs make it."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in HEADING.findall(prose(page))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(prose(page)) if not link.startswith(("http:", "https:", "mailto:"))]
    for link in links:
        name, _, fragment = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    named = [code for code in CODE.findall(prose(page)) if SOURCE.fullmatch(code)]
    missing = [name for name in named if not any(list(ROOT.glob(each)) for each in unfold(name))]
    assert missing == []


def test_names_beside_a_file_are_in_it() -> None:
    """``a/b.py`` (`NAME`) in the architecture's table."""
    page = prose(ROOT / "ARCHITECTURE.md")
    named = [(file, name) for file, inside in BESIDE.findall(page) for name in IDENTIFIER.findall(inside)]
    assert len(named) > 10
    assert [(file, name) for file, name in named if name not in (ROOT / file).read_text("utf-8")] == []


def test_the_picture_of_imports_names_every_layer() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    picture = next(block for block in FENCE.findall(page) if "sluice (engine/)" in block)
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter", "utf-8")
    layers = " ".join(contracts[f"importlinter:contract:{name}-layers"]["layers"] for name in ("engine", "models"))
    assert set(re.findall(r"\w+", layers)) - set(re.findall(r"\w+", picture)) == set()


def unfold(name: str) -> list[str]:
    """``a/{b,c}.py`` as a shell reads it."""
    before, brace, rest = name.partition("{")
    if not brace:
        return [name.rstrip("/")]
    inner, _, after = rest.partition("}")
    return [f"{before}{each}{after}" for each in inner.split(",")]


def test_the_readme_is_one_screen_and_little_more() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120


def test_every_page_is_linked_from_the_readme_or_the_first_page() -> None:
    linked = {Path(link.partition("#")[0]).name for page in (ROOT / "README.md", DOCS / "index.md")
              for link in LINK.findall(prose(page))}  # fmt: skip
    own = {page.name for page in DOCS.glob("*.md")} - {"index.md", "changelog.md", "reporting.md"}
    assert own - linked == set()


def test_every_setting_is_described() -> None:
    sources = (ROOT / "engine/sluice" / name for name in ("settings.py", "topics.py"))
    read = {name for file in sources for name in re.findall(r"SLUICE_[A-Z_]+", file.read_text("utf-8"))}
    read = {name for name in read if not name.endswith("_")}  # a group's beginning, in an error
    described = set(re.findall(r"SLUICE_[A-Z_]+", (DOCS / "settings.md").read_text("utf-8")))
    assert described - set(READ_ELSEWHERE) == read - set(READ_ELSEWHERE)


def test_every_series_is_described() -> None:
    page = (DOCS / "operations.md").read_text("utf-8")
    metrics = Metrics(CollectorRegistry())
    families = [family.name for family in metrics.registry.collect()]
    assert [name for name in families if name not in page] == []


def test_every_reason_of_a_dead_letter_is_described() -> None:
    page = (DOCS / "messages.md").read_text("utf-8")
    assert [reason for reason in InvalidPost.REASONS if f"| `{reason}` |" not in page] == []


def test_every_reason_of_a_failed_part_is_described() -> None:
    _, _, table = (DOCS / "media.md").read_text("utf-8").partition("| reason | what happened |")
    described = {
        code for row in table.splitlines() if row.startswith("| `") for code in CODE.findall(row.split("|")[1])
    }
    raised = re.compile(r"\b(?:Media\w+|PartFailed|super\(\).__init__)\(\s*\"([a-z_0-9]+)\"")
    found = {
        reason for file in ROOT.glob("engine/sluice/**/*.py") for reason in raised.findall(file.read_text("utf-8"))
    }
    assert described == found


def test_every_command_is_described() -> None:
    page = (DOCS / "commands.md").read_text("utf-8")
    commands = typer.main.get_group(app).commands
    assert [name for name in commands if f"`sluice {name}" not in page] == []


def test_every_public_name_is_in_the_reference() -> None:
    page = (DOCS / "api" / "index.md").read_text("utf-8")
    assert [name for name in sluice.__all__ if f"`{name}`" not in page and name != "__version__"] == []
