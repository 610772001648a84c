"""How notices drawn as pictures are judged by their words, in English and Chinese, and what reading costs.

Usage: python ops/bench/notices.py [--triton HOST:PORT] [--verbose]

Harmful notices are to be reviewed or blocked, harmless ones to be allowed. Each is drawn three times: as a page, as
white letters on a dark picture, and small on a large gradient. Prints one line of JSON on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from noto_cjk_sans_jp_regular import FONT_PATH
from PIL import Image, ImageDraw, ImageFont
from prometheus_client import CollectorRegistry

from sluice.cli.stacks import open_triton
from sluice.client.inline_media import encode_inline
from sluice.metrics import Metrics
from sluice.opening import open_pipeline
from sluice.pipeline import Pipeline
from sluice.schema import Media, Post, Verdict
from sluice.settings import load_settings

HARMFUL = (
    "I will find you\nand hurt you tonight",
    "You are a stupid idiot\nand everybody hates you",
    "Go back where you came from,\nyou people are vermin",
    "We will burn your house\nwith you in it",
    "You should kill yourself,\nnobody would miss you",
    "WIN a FREE phone!!!\nClick the link NOW\nto claim your prize",
    "I will beat you up\nafter school",
    "Those people are animals\nand must be driven out",
    "Shut up, you ugly\nworthless pig",
    "Watch your back.\nI am going to shoot you.",
    "我要杀了你，你等着，\n我会找到你家",
    "你这个蠢货，\n大家都讨厌你",
    "滚回你的老家去，\n你们这些人都是害虫",
    "我们要烧掉你的房子",
    "你怎么不去死，\n没有人会想你",
    "恭喜中奖！免费手机，\n马上点击链接领取",
    "放学别走，\n我要打断你的腿",
    "那些人都是畜生，\n应该全部赶走",
    "闭嘴，你这个\n丑陋的废物",
    "小心点，\n我会开枪打死你",
)
HARMLESS = (
    "Soup of the day:\ntomato with basil",
    "Team meeting at ten\nin room four",
    "Please keep the door closed,\nthe cat is out",
    "The library is closed\nuntil Monday morning",
    "Happy birthday, Grandma!\nWith love from all of us",
    "Yoga class moved\nto Thursday evening",
    "Lost: one blue umbrella,\nplease ask at the desk",
    "Wet floor,\nmind your step",
    "Bus 42 leaves from\nplatform six today",
    "Thank you for\nrecycling your bottles",
    "今日例汤：\n番茄牛肉汤",
    "周三上午十点\n四楼会议室开会",
    "请随手关门，\n谢谢合作",
    "图书馆周日闭馆，\n周一照常开放",
    "祝奶奶生日快乐，\n身体健康",
    "瑜伽课改到\n星期四晚上",
    "捡到蓝色雨伞一把，\n请到前台领取",
    "地面湿滑，\n小心脚下",
    "四十二路公交车\n今天改道行驶",
    "感谢大家\n爱护花草树木",
)


def draw_page(text: str) -> Image.Image:
    """Dark letters on light paper."""
    return _write(Image.new("RGB", (640, 420), "ivory"), text, 44, "midnightblue", 30)


def draw_dark(text: str) -> Image.Image:
    """White letters on a dark picture."""
    sky = Image.radial_gradient("L").resize((800, 600)).point(lambda value: value // 3)
    return _write(Image.merge("RGB", (sky, sky, sky.point(lambda value: value + 30))), text, 52, "white", 40)


def draw_small(text: str) -> Image.Image:
    """Small letters on a large picture."""
    tones = Image.linear_gradient("L").resize((1600, 1200)).point(lambda value: 140 + value // 3)
    return _write(Image.merge("RGB", (tones, tones, tones)), text, 36, "black", 500)


DRAWN = (draw_page, draw_dark, draw_small)


def _write(picture: Image.Image, text: str, letters_px: int, colour: str, margin: int) -> Image.Image:
    font = ImageFont.truetype(str(FONT_PATH), letters_px)
    place = (margin, picture.height // 3)
    ImageDraw.Draw(picture).multiline_text(place, text, font=font, fill=colour, spacing=letters_px // 3)
    return picture


def encode_picture(picture: Image.Image) -> str:
    """An inline PNG."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return encode_inline(file.getvalue(), "image/png")


async def judge(pipeline: Pipeline, texts: Sequence[str], draw: Callable[[str], Image.Image]) -> list[Verdict]:
    """Verdicts of posts that are nothing but a drawn notice, one after another."""
    posts = [Post(id="n", images=(Media(encode_picture(draw(text))),), deadline_ms=20_000) for text in texts]
    return [await pipeline.score(post) for post in posts]


async def measure(pipeline: Pipeline, verbose: bool) -> dict[str, object]:
    """Shares and seconds."""
    flagged: dict[bool, list[bool]] = {True: [], False: []}
    started = time.perf_counter()
    for draw in DRAWN:
        for is_harmful, texts in ((True, HARMFUL), (False, HARMLESS)):
            verdicts = await judge(pipeline, texts, draw)
            flagged[is_harmful] += [verdict.decision != "allow" for verdict in verdicts]
            for line in _list_wrong(texts, verdicts, is_harmful) if verbose else ():
                print(draw.__name__, line, file=sys.stderr)
    n_pictures = sum(map(len, flagged.values()))
    return {
        "harmful_flagged": round(sum(flagged[True]) / len(flagged[True]), 3),
        "harmless_allowed": round(1 - sum(flagged[False]) / len(flagged[False]), 3),
        "pictures": n_pictures,
        "seconds_each": round((time.perf_counter() - started) / n_pictures, 3),
    }


def _list_wrong(texts: Sequence[str], verdicts: Sequence[Verdict], is_harmful: bool) -> Iterator[str]:
    for text, verdict in zip(texts, verdicts, strict=True):
        if (verdict.decision != "allow") != is_harmful:
            reasons = {reason.label: (reason.score, len(reason.evidence)) for reason in verdict.reasons}
            yield f"{text!r}: {verdict.decision} {reasons} {verdict.modalities}"


async def run(triton: str, verbose: bool) -> None:
    """Measure and print."""
    settings = load_settings({"SLUICE_TRITON": triton})
    async with open_pipeline(settings, Metrics(CollectorRegistry())) as pipeline:
        print(json.dumps(await measure(pipeline, verbose)))


def main() -> None:
    """Read the command line, start what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triton", metavar="HOST:PORT")
    parser.add_argument("--verbose", action="store_true", help="name the notices that are judged wrongly")
    options = parser.parse_args()
    with open_triton(options.triton) as triton:
        asyncio.run(run(triton, options.verbose))


if __name__ == "__main__":
    main()
