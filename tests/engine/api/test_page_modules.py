"""What the page's modules compute, against the Python that they must agree with and the programs they write for."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.async_api import Browser, Page, expect

from sluice.features.language_names import describe_unread
from sluice.schema import DECISIONS, LABELS
from sluice.verdict.documents import parse_policy
from sluice.verdict.policy import Policy, Thresholds, decide, find
from tests.browser import open_page
from tests.components import require
from tests.engine.api.seeing import SeeingScorer

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS = (None, 0.0, 0.25, 0.5, 0.75, 1.0)
PAIRS = [(low, high) for low, high in itertools.product(STEPS, STEPS) if low is None or high is None or low <= high]
NASTY = 'it\'s "quoted" \\ `touch a` $(touch b) $HOME %s\n\tmenace 😀 \u202e\x1b[31m --data @/etc/passwd'


async def call(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """What a function body makes of `argument` and the module `m`."""
    imported = f"const m = await import(new URL('page/{module}', location.origin).href);"
    return await page.evaluate(f"async argument => {{ {imported} {body} }}", argument)


async def test_the_page_decides_as_the_policy_does(page: Page) -> None:
    pick = random.Random(17)
    cases, expected = [], []
    for _ in range(500):
        unscored, unread = pick.choice(DECISIONS), pick.choice(DECISIONS)
        labels = {label: Thresholds(*pick.choice(PAIRS)) for label in pick.sample(LABELS, 5)}
        policy = Policy(name="any", version=1, unscored_part=unscored, unread_language=unread, labels=labels)
        scores = {label: pick.choice([0.0, 0.25, 0.3, 0.5, 0.75, 0.9, 1.0]) for label in LABELS}
        whole, understood = pick.choice([True, False]), pick.choice([True, False])
        findings = find(policy, scores)
        rules = {"unscored_part": unscored, "unread_language": unread}
        thresholds = {label: {"review": each.review, "block": each.block} for label, each in labels.items()}
        gaps = {"unscored": not whole, "unread": not understood}
        cases.append({"policy": rules, "thresholds": thresholds, "scores": scores, "gaps": gaps})
        expected.append([decide(policy, findings, whole, understood), *(each.label for each in findings)])
    body = """return argument.map((each) => {
        const found = m.find(each.thresholds, each.scores);
        return [m.decide(each.policy, found, each.gaps), ...found.map((finding) => finding.label)];
    });"""
    assert await call(page, "decide.js", body, cases) == expected


@pytest.mark.parametrize(
    ("status", "gaps"),
    [
        ("ok", [False, False]),
        ("failed: HEIC is not read", [True, False]),
        (f"partial: {describe_unread(['th'])}", [False, True]),
        (f"partial: {describe_unread(['th', 'und-Cyrl'])}", [False, True]),
        (f"partial: its text: {describe_unread(['km'])}", [False, True]),
        (f"partial: it is very long; {describe_unread(['th'])}", [True, True]),
        ("partial: its text: speech is not read: no model", [True, False]),
    ],
)
async def test_what_a_status_asks_for(page: Page, status: str, gaps: list[bool]) -> None:
    found = await call(page, "decide.js", "return m.findGaps({ text: argument });", status)
    assert [found["unscored"], found["unread"]] == gaps


@pytest.mark.parametrize(
    ("before", "after", "spans"),
    [
        ("a menace", "a menace!", [[2, 8]]),
        ("a menace", "oh, a menace", [[6, 12]]),
        ("a menace", "a me-nace", []),
        ("a menace", "", []),
        ("aaaa", "aaaaa", [[2, 4]]),
    ],
)
async def test_marks_follow_an_edit(page: Page, before: str, after: str, spans: list[list[int]]) -> None:
    body = "return m.rebase([{ start: 2, end: argument[0].length }], ...argument).map((s) => [s.start, s.end]);"
    assert await call(page, "spans.js", body, [before, after]) == spans


async def test_of_boxes_close_together_the_first_is_named(page: Page) -> None:
    boxes = [{"box": box} for box in ([0.1, 0.1, 0.5, 0.2], [0.2, 0.12, 0.4, 0.2], [0.1, 0.3, 0.5, 0.4])]
    body = "const named = m.findNamed(argument); return argument.map((each) => named.has(each));"
    assert await call(page, "pictures.js", body, boxes) == [True, False, True]


async def test_code_points_become_utf16_units(page: Page) -> None:
    text = "😀é\ud7ff𝒳 menace"
    start = text.index("menace")
    body = """const [text, start] = argument;
        return m.toUnits(text, [{ start, end: 99 }]).map((span) => text.slice(span.start, span.end));"""
    assert await call(page, "spans.js", body, [text, start]) == ["menace"]


async def test_a_link_holds_the_result_and_nothing_of_the_content(browser: Browser, served: str) -> None:
    async with open_page(browser, served) as page:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.get_by_label("Text of the post").fill("a very secret menace")
        await page.get_by_role("button", name="Copy a link without the content").click()
        await expect(page.locator("#share")).to_have_text("Copied")
        link = await page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{served}/#")
    async with open_page(browser, link) as page:
        packed = await call(page, "share.js", "return m.readFragment(location.hash.slice(1));")
        assert packed["scores"]["threat"] == 0.9
        assert "secret" not in unquote(json.dumps(packed))
        await expect(page.locator("#verdict")).to_have_attribute("data-decision", "review")
        await expect(page.locator("#shared")).to_be_visible()
        await expect(page.get_by_label("Text of the post")).to_have_value("")
        await page.get_by_label("Text of the post").fill("hello")
        await expect(page.locator("#verdict")).to_have_attribute("data-decision", "allow")
        assert page.url == f"{served}/"


RUNS = "<img src=x onerror=window.ran=1>"


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": {RUNS: 0.9}},
        {"scores": {"threat": 2}},
        {"scores": {"threat": RUNS}},
        {"thresholds": {"threat": [RUNS, None]}},
        {"language": RUNS},
        {"policy": [RUNS, 1]},
        {"policy": ["x", RUNS]},
        {"asks": [RUNS, "review"]},
        {"scores": {}},
        {"scores": None},
    ],
)
async def test_a_link_that_is_none_is_left_alone(page: Page, served: str, changed: dict[str, object]) -> None:
    packed = {"scores": {"threat": 0.9}, "thresholds": {"threat": [0.5, None]}, "gaps": [False, False],
              "asks": ["review", "review"], "policy": ["x", 1], "language": "en"}  # fmt: skip
    encode = "return btoa(JSON.stringify(argument)).replaceAll('+', '-').replaceAll('/', '_');"
    good, bad = [await call(page, "share.js", encode, {**packed, **each}) for each in ({}, changed)]
    await page.goto(f"{served}/#{good}")
    await expect(page.locator("#shared")).to_be_visible()
    await page.goto(f"{served}/#{bad}")
    await expect(page.locator("#shared")).to_be_hidden()
    assert await page.evaluate("window.ran") is None


async def read_code(page: Page, tab: str) -> str:
    await page.get_by_role("tab", name=tab).click()
    return await page.locator("#code").text_content() or ""


def list_names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def run_curl(code: str, folder: Path) -> bytes:
    require("curl")
    return subprocess.run(["bash", "-c", code], cwd=folder, capture_output=True, check=True).stdout


def run_python(code: str, folder: Path) -> bytes:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=True).stdout


@pytest.mark.parametrize(("tab", "run"), [("curl", run_curl), ("Python", run_python)])
async def test_the_code_does_what_the_page_did(
    page: Page, seeing: SeeingScorer, tmp_path: Path, tab: str, run: Any
) -> None:
    await page.get_by_label("Text of the post").fill(NASTY)
    await expect(page.locator("#verdict")).to_have_attribute("data-decision", "review")
    code = await read_code(page, tab)
    assert "\x1b" not in code
    assert "\u202e" not in code
    assert b"threat" in run(code, tmp_path)
    assert seeing.posts[-1].text == seeing.posts[-2].text == NASTY
    assert list_names(tmp_path) == []


@pytest.mark.parametrize(("tab", "run"), [("curl", run_curl), ("Python", run_python)])
async def test_the_code_sends_files_too(page: Page, seeing: SeeingScorer, tmp_path: Path, tab: str, run: Any) -> None:
    name = 'it\'s "a" $(touch c).png'
    (tmp_path / name).write_bytes(b"picture")
    await page.set_input_files("#files", [{"name": name, "mimeType": "image/png", "buffer": b"picture"}])
    await page.get_by_label("Text of the post").fill("it's @menace; type=x")
    await expect(page.locator("#marks mark")).to_have_text("menace")
    run(await read_code(page, tab), tmp_path)
    assert seeing.posts[-1].text == seeing.posts[-2].text
    assert seeing.posts[-1].images == seeing.posts[-2].images
    assert list_names(tmp_path) == [name]


async def test_tried_thresholds_become_a_policy_file(page: Page) -> None:
    policy = {"name": "a \"b\": c", "version": 3, "unscored_part": "block", "unread_language": "allow",
              "urgent_self_harm": 0.7}  # fmt: skip
    thresholds = {"hate": {"review": 0.5, "block": 0.9}, "spam": {"review": None, "block": None}}
    written = await call(page, "code.js", "return m.writePolicy(...argument);", [policy, thresholds])
    assert parse_policy(written) == Policy(
        name="a \"b\": c", version=4, unscored_part="block", unread_language="allow", urgent_self_harm=0.7,
        labels={"hate": Thresholds(0.5, 0.9), "spam": Thresholds()},
    )  # fmt: skip
