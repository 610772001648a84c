"""The page in Chromium, over a scripted scorer."""

from __future__ import annotations

import base64
import io

import pytest
from axe_playwright_python.async_playwright import Axe
from PIL import Image
from playwright.async_api import Browser, FloatRect, Page, expect

from sluice.errors import InferenceUnavailable
from tests.browser import PHONE, open_page
from tests.engine.api.conftest import KEY, key_entry, serving
from tests.engine.api.seeing import BOX, RANGE_S, SeeingScorer

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUNS = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>\'"><svg onload=window.ran=1>'
"""What would run if a page took it for markup."""


def draw_png(width: int = 320, height: int = 160) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "skyblue").save(file, "PNG")
    return file.getvalue()


PICTURE = {"name": "sky.png", "mimeType": "image/png", "buffer": draw_png()}


async def type_text(page: Page, text: str) -> None:
    await page.get_by_label("Text of the post").fill(text)


async def expect_decision(page: Page, decision: str) -> None:
    await expect(page.locator("#verdict")).to_have_attribute("data-decision", decision)
    await expect(page.locator("#verdict")).to_have_attribute("aria-busy", "false")


def score_of(page: Page, label: str) -> str:
    return f"#scores [data-label={label}] .value"


async def box_of(page: Page, selector: str) -> FloatRect:
    found = await page.locator(selector).bounding_box()
    assert found is not None
    return found


async def test_scores_move_as_one_types_and_evidence_is_marked(page: Page) -> None:
    await type_text(page, "hello")
    await expect_decision(page, "allow")
    await expect(page.locator(score_of(page, "threat"))).to_have_text("0.01")
    await type_text(page, "hello 😀 menace\nto you")
    await expect_decision(page, "review")
    await expect(page.locator(score_of(page, "threat"))).to_have_text("0.90")
    await expect(page.locator("#marks mark")).to_have_text("menace")
    await expect(page.locator("#reasons q")).to_have_text("menace")
    await expect(page.locator("#reasons .contributions")).to_contain_text("+0.85")
    await expect(page.locator("#facts")).to_contain_text("English, 90 %")
    await expect(page.get_by_role("status")).to_have_text("Review. threat 0.90 reached the threshold 0.50.")
    text, layer = await box_of(page, "#text"), await box_of(page, "#marks")
    assert text == layer  # so that each mark lies behind its word


async def test_a_request_under_way_is_cancelled_for_a_newer_text(page: Page, seeing: SeeingScorer) -> None:
    seeing.gate.clear()
    async with page.expect_event("requestfailed") as failed:
        async with page.expect_request("**/v1/posts?in_full=true"):
            await type_text(page, "menace")
        await type_text(page, "hello there")
    assert "menace" in ((await failed.value).post_data or "")
    seeing.gate.set()
    await expect_decision(page, "allow")
    await expect(page.locator("#problem")).to_be_hidden()


async def test_a_picture_that_is_dropped_gets_its_box(page: Page) -> None:
    content = base64.b64encode(draw_png()).decode()
    await page.evaluate(
        """content => {
            const bytes = Uint8Array.from(atob(content), (digit) => digit.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], "sky.png", { type: "image/png" }));
            for (const kind of ["dragenter", "dragover", "drop"])
                document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        content,
    )
    await expect(page.locator(".box")).to_have_count(1)
    image, box = await box_of(page, ".frame img"), await box_of(page, ".box")
    left, top, right, bottom = BOX
    assert box["x"] == pytest.approx(image["x"] + left * image["width"], abs=2)
    assert box["y"] == pytest.approx(image["y"] + top * image["height"], abs=2)
    assert box["width"] == pytest.approx((right - left) * image["width"], abs=2)
    assert box["height"] == pytest.approx((bottom - top) * image["height"], abs=2)
    await expect(page.locator("#reasons")).to_contain_text("Picture 1: 25 % to 75 % from the left")
    await expect(page.locator("#drop")).to_be_hidden()
    await page.get_by_label("Remove sky.png").click()
    await expect_decision(page, "none")


async def test_a_recording_gets_its_ranges(page: Page, seeing: SeeingScorer) -> None:
    await page.get_by_role("button", name="Record a clip").click()
    await expect(page.locator("#record-text")).to_contain_text("Stop (0:01", timeout=20_000)
    await page.locator("#record").click()
    await expect(page.locator(".range")).to_have_count(1, timeout=20_000)
    assert seeing.posts[-1].audio[0].uri.startswith("data:audio/wav;base64,UklGR")
    wave, found = await box_of(page, ".wave"), await box_of(page, ".range")
    duration_s = await page.evaluate("document.querySelector('audio').duration")
    start_s, end_s = RANGE_S
    assert found["x"] - wave["x"] == pytest.approx(start_s / duration_s * wave["width"], abs=4)
    assert found["width"] == pytest.approx((end_s - start_s) / duration_s * wave["width"], abs=4)
    await page.get_by_role("button", name="Clip 1, 0:00.3 to 0:00.8").click()
    await page.wait_for_function("document.querySelector('audio').currentTime >= 0.25")


async def test_other_thresholds_change_the_decision_and_back(page: Page) -> None:
    await type_text(page, "menace")
    await expect_decision(page, "review")
    await page.get_by_role("button", name="Try other thresholds").click()
    review = page.get_by_label("threat: review from")
    await review.press("End")
    await expect(review).to_have_attribute("aria-valuetext", "off")
    await expect_decision(page, "allow")
    await expect(page.locator("#what-if")).to_have_text("With your thresholds: allow. The policy says: review.")
    block = page.get_by_label("threat: block from")
    await block.press("Home")
    await expect_decision(page, "block")
    await page.get_by_role("button", name="Reset").click()
    await expect_decision(page, "review")
    await expect(page.locator("#what-if")).to_be_hidden()


async def test_what_was_not_read_and_why_is_said(page: Page, seeing: SeeingScorer) -> None:
    seeing.statuses = {"text": "partial: Thai is not read", "audio:0": "failed: not audio: it ends early"}
    await type_text(page, "hello thai")
    await expect(page.locator("#facts")).to_contain_text("read in part: Thai is not read")
    await expect(page.locator("#facts")).to_contain_text("not read: not audio: it ends early")


async def test_models_that_are_away_are_asked_again(page: Page, seeing: SeeingScorer) -> None:
    seeing.error = InferenceUnavailable("away")
    await type_text(page, "menace")
    await expect(page.get_by_role("alert")).to_contain_text("the models do not answer; try again. Trying again.")
    seeing.error = None
    await expect_decision(page, "review")
    await expect(page.locator("#problem")).to_be_hidden()


async def test_a_file_that_is_neither_picture_nor_clip_is_named(page: Page, seeing: SeeingScorer) -> None:
    await page.set_input_files("#files", [{"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-"}])
    await expect(page.get_by_role("alert")).to_have_text("a.pdf: neither a picture nor a clip.")
    await page.set_input_files("#files", [{"name": "b.pdf", "mimeType": "", "buffer": b"%PDF-"}, PICTURE])
    await expect_decision(page, "review")
    await expect(page.get_by_role("alert")).to_have_text("b.pdf: neither a picture nor a clip.")
    assert [len(post.images) for post in seeing.posts] == [1]


async def test_nothing_that_a_post_says_runs(page: Page, seeing: SeeingScorer) -> None:
    seeing.statuses = {RUNS: f"failed: {RUNS}", "text": f"partial: {RUNS}"}
    await page.set_input_files("#files", [{**PICTURE, "name": f"{RUNS.replace('/', '')}.png"}])
    await type_text(page, f"menace {RUNS}")
    await expect(page.locator("#facts")).to_contain_text("onerror")
    for tab in ("curl", "Python", "Post", "Verdict"):
        await page.get_by_role("tab", name=tab).click()
        await expect(page.locator("#code")).to_contain_text("onerror")
    assert await page.evaluate("window.ran") is None
    assert await page.locator("main img, main svg[onload], main script").count() == 1  # the picture


async def test_the_browser_refuses_markup_even_if_the_page_does_not(browser: Browser, served: str) -> None:
    forgetful = [
        "document.body.innerHTML = markup",
        "document.body.insertAdjacentHTML('beforeend', markup)",
        "document.createElement('script').text = 'window.ran = 1'",
    ]
    async with open_page(browser, served, may_say="Content Security Policy|Trusted") as page:
        for attempt in forgetful:
            raised = await page.evaluate(f"markup => {{ try {{ {attempt}; }} catch {{ return true; }} }}", RUNS)
            assert raised, attempt
        assert await page.evaluate("window.ran") is None


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"viewport": PHONE}], ids=["light", "dark", "phone"])
async def test_axe_finds_nothing(browser: Browser, served: str, options: dict[str, object]) -> None:
    async with open_page(browser, served, bypass_csp=True, **options) as page:  # axe is a script from elsewhere
        assert await find_violations(page) == []
        await page.set_input_files("#files", [PICTURE])
        await type_text(page, "a menace, and rude")
        await expect(page.locator(".box")).to_have_count(1)
        await page.get_by_role("button", name="Try other thresholds").click()
        await page.get_by_label("threat: review from").press("End")
        assert await find_violations(page) == []


async def find_violations(page: Page) -> list[str]:
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = await Axe().run(page, options={"runOnly": rules})
    return [f"{each['id']}: {node['html'][:120]}" for each in found.response["violations"] for node in each["nodes"]]


@pytest.mark.parametrize(("width", "scale"), [(320, 1), (390, 3), (640, 2)], ids=["400 %", "phone", "200 %"])
async def test_nothing_is_cut_off_on_narrow_screens(browser: Browser, served: str, width: int, scale: int) -> None:
    options = {"viewport": {"width": width, "height": 640}, "device_scale_factor": scale}
    async with open_page(browser, served, **options) as page:
        await page.set_input_files("#files", [PICTURE])
        await type_text(page, "menace " + "w" * 300)
        await expect(page.locator(".box")).to_have_count(1)
        await page.get_by_role("button", name="Try other thresholds").click()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_everything_is_reached_by_keyboard(page: Page) -> None:
    await type_text(page, "menace")
    await expect_decision(page, "review")
    await page.get_by_text("Skip to the text").focus()
    reached = []
    for _ in range(16):
        reached.append(await page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        await page.keyboard.press("Tab")
    wanted = ["Skip to the text", "HTTP API", "clear", "text", "files", "record", "An insult", "share", "adjust",
              "copy", "tab-curl", "panel"]  # fmt: skip
    assert [each for each in reached if each in wanted] == wanted
    await page.get_by_role("tab", name="curl").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Python")).to_be_focused()
    await expect(page.locator("#code")).to_contain_text("import httpx")


async def test_signing_in_opens_the_page_where_the_link_led(browser: Browser, seeing: SeeingScorer) -> None:
    with serving(seeing, keys=key_entry()) as address:
        async with open_page(browser, f"{address}/#here") as page:
            await page.get_by_label("API key").fill("wrong")
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("alert")).to_have_text("That key may not score posts here.")
            assert await find_violations(page) == []
            await page.get_by_label("API key").fill(KEY)
            await page.get_by_role("button", name="Sign in").click()
            await type_text(page, "menace")
            await expect_decision(page, "review")
            assert page.url == f"{address}/#here"
            await expect(page.locator("#code")).to_contain_text("Authorization: Bearer $SLUICE_KEY")
            assert KEY not in await page.content()
            await page.get_by_role("button", name="Sign out").click()
            await expect(page.get_by_label("API key")).to_be_visible()
