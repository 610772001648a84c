"""Takes the pictures of the page at ``/`` for the documentation: `sluice serve` on its own models, in Chromium.

::

    python ops/page_pictures.py docs/assets
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from playwright.async_api import Browser, FilePayload, Page, async_playwright

from sluice.cli.samples import play_melody

SERVE = (sys.executable, "-m", "sluice", "serve", "--port", "0")
SIZE = {"width": 1280, "height": 860}
TEXT = "Good evening! You are a stupid idiot and everybody hates you. See you on Sunday?"
NOTICE = ("YOU ARE A STUPID IDIOT", "AND EVERYBODY HATES YOU")
COLOURS = 64
PATIENCE_MS = 60_000


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server."""
    with subprocess.Popen(SERVE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield read_address(process)
        finally:
            process.terminate()


def read_address(process: subprocess.Popen[str]) -> str:
    """Where a server says that it listens; raises `RuntimeError` with what else it said if it ends."""
    said = []
    for line in process.stderr or ():
        said.append(line)
        if found := re.search(r"listening on (http://\S+)", line):
            return found[1]
    raise RuntimeError("".join(said))


def draw_notice() -> FilePayload:
    """A notice on a wall that insults whoever reads it."""
    picture = Image.new("RGB", (640, 300), "tan")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((60, 50, 580, 250), fill="ivory", outline="saddlebrown", width=6)
    font = ImageFont.load_default(32)
    for number, line in enumerate(NOTICE):
        pen.text((320, 120 + 60 * number), line, fill="black", font=font, anchor="mm")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return FilePayload(name="notice.png", mimeType="image/png", buffer=file.getvalue())


def play_clip() -> FilePayload:
    """The melody of the demo."""
    return FilePayload(
        name="melody.wav", mimeType="audio/wav", buffer=base64.b64decode(play_melody().partition(",")[2])
    )


async def take_pictures(address: str, folder: Path) -> None:
    """Write ``page-light.png`` and ``page-dark.png``."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = await open_page(browser, address, color_scheme="light")
        await page.set_input_files("#files", [draw_notice()])
        await page.get_by_label("Text of the post").fill(TEXT)
        await take(page, folder / "page-light.png")
        page = await open_page(browser, address, color_scheme="dark")
        await page.set_input_files("#files", [play_clip()])
        await page.get_by_label("Text of the post").fill(TEXT)
        await page.get_by_role("button", name="Try other thresholds").click()
        await page.get_by_label("harassment: block from").press("End")
        await take(page, folder / "page-dark.png")
        await browser.close()


async def open_page(browser: Browser, address: str, **options: Any) -> Page:
    """A page without movement, so that every picture of it is the same."""
    context = await browser.new_context(viewport=SIZE, reduced_motion="reduce", **options)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(address)
    return page


async def take(page: Page, path: Path) -> None:
    """Write what the page shows once its post is scored, in few colours: small enough for a repository."""
    await page.wait_for_selector("#reasons li", timeout=PATIENCE_MS)
    await page.evaluate("document.activeElement.blur()")
    shot = Image.open(io.BytesIO(await page.screenshot()))
    shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Read the arguments, serve, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write them")
    folder: Path = parser.parse_args().folder
    with serving() as address:
        asyncio.run(take_pictures(address, folder))


if __name__ == "__main__":
    main()
