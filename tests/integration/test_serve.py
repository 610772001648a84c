"""``sluice serve`` as a process, with a real Triton behind it."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import openai
import pytest
from PIL import Image
from playwright.async_api import expect
from prometheus_client.parser import text_string_to_metric_families

from sluice.http import AsyncClient
from sluice.local.triton import TritonServer
from sluice.schema import Post, decode_verdict
from tests.browser import open_browser, open_page

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]


N_AT_ONCE = 64


@pytest.fixture(scope="module")
def served(triton_server: TritonServer) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    command = [sys.executable, "-m", "sluice", "serve", "--port", "0", "--triton", triton_server.address]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, _read_address(process)
        finally:
            process.kill()


def _read_address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"listening on (http://\S+)", line):
            return found[1]
    raise AssertionError("".join(said))


def test_openais_client_has_a_text_and_a_picture_scored(served: tuple[subprocess.Popen[str], str]) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "green").save(picture, "PNG")
    url = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    with openai.OpenAI(base_url=f"{served[1]}/v1", api_key="none") as client:
        (result,) = client.moderations.create(
            model="omni-moderation-latest",
            input=[{"type": "text", "text": "See you at lunch"}, {"type": "image_url", "image_url": {"url": url}}],
        ).results
    assert 0 < result.category_scores.violence < 1
    assert result.category_applied_input_types.violence == ["text", "image"]


def test_requests_at_the_same_time_share_batches(served: tuple[subprocess.Popen[str], str]) -> None:
    posts = [Post(id=f"p-{number}", text=f"Lunch on day {number} of the month?") for number in range(N_AT_ONCE)]
    before = count_calls(served[1])

    async def score_each() -> list[str]:
        async with AsyncClient(served[1]) as client:
            return [verdict.post_id for verdict in await asyncio.gather(*map(client.score, posts))]

    assert asyncio.run(score_each()) == [post.id for post in posts]
    assert 0 < count_calls(served[1]) - before < N_AT_ONCE


def count_calls(address: str) -> float:
    """Of the text encoder so far."""
    families = text_string_to_metric_families(httpx.get(f"{address}/metrics").text)
    samples = (sample for family in families if family.name == "sluice_batch_rows" for sample in family.samples)
    counts = (each for each in samples if each.name.endswith("_count"))
    return sum(each.value for each in counts if each.labels["model"] == "text_encoder")


async def test_on_the_page_an_insult_is_marked_where_it_stands(served: tuple[subprocess.Popen[str], str]) -> None:
    _, address = served
    async with open_browser() as browser, open_page(browser, address) as page:
        await page.get_by_role("button", name="A friendly chat").click()
        await expect(page.locator("#verdict")).to_have_attribute("data-decision", "allow", timeout=60_000)
        await page.get_by_role("button", name="An insult").click()
        await expect(page.locator("#verdict")).not_to_have_attribute("data-decision", "allow", timeout=60_000)
        await expect(page.locator("#marks mark", has_text="stupid")).to_have_count(1)
        await expect(page.locator("#facts")).to_contain_text("English")


def test_a_post_is_scored_and_ctrl_c_ends_the_server(served: tuple[subprocess.Popen[str], str]) -> None:
    """The last one: the server ends for all tests here."""
    process, address = served
    with httpx.Client(base_url=address, timeout=60) as client:
        assert client.get("/readyz").status_code == 200
        verdict = decode_verdict(client.post("/v1/posts", json={"id": "p-1", "text": "See you at lunch"}).content)
        assert (verdict.post_id, verdict.decision) == ("p-1", "allow")
        assert verdict.models["fusion"] == "1"
        assert "sluice_posts_total" in client.get("/metrics").text
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (0, 130)
