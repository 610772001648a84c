"""A real browser for the tests of pages: Chromium, as the system has it, driven by Playwright."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.components import require

FAKE_MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PHONE = {"width": 390, "height": 844}


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Chromium, whose microphone beeps once a second."""
    program = require("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FAKE_MICROPHONE))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(
    browser: Browser, address: str, may_say: str = "Failed to load resource", **options: Any
) -> AsyncIterator[Page]:
    """A page on an address, in a context of its own; what it throws or says in its console fails the test.

    But for what `may_say` matches: by default, answers of a server that are not 200.
    """
    context: BrowserContext = await browser.new_context(permissions=["microphone"], **options)
    page = await context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    try:
        await page.goto(address)
        yield page
        assert [line for line in said if not re.search(may_say, line)] == []
    finally:
        await context.close()
