"""The demo's posts: written, drawn and synthesised here, so that nothing real and nothing harsh ships with Sluice."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from sluice.client.inline_media import encode_inline
from sluice.schema import Media, Post, encode

SAMPLE_RATE_HZ = 22_050
"""Not the models' own, so that the demo resamples."""
MELODY_HZ = (262.0, 330.0, 392.0, 523.0, 392.0, 330.0, 262.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """A line to publish, and what it is called in the demo's table."""

    title: str
    line: bytes


def make_samples() -> list[Sample]:
    """About a dozen posts: texts in two languages, media of each kind, and three that are broken."""
    return [
        *(_text_sample(title, text) for title, text in TEXTS),
        _sample("drawn picture", images=(draw_house(),)),
        _sample("synthesised clip", audio=(play_melody(),)),
        _sample("text, picture and clip", "Look at my little house!", (draw_house(),), (play_melody(),)),
        _sample("moving picture", images=(draw_moving_sun(),)),
        _sample("broken picture", "My holiday picture, I hope it loads.", (break_picture(),)),
        Sample("not a post: no text, no media", b'{"id": "sample-empty", "surface": "forum"}'),
        Sample("not JSON", b'{"id": "sample-cut", "text": "this line ends too ear'),
    ]


TEXTS = (
    ("chat, English", "Good morning! Shall we have lunch together on Sunday?"),
    ("chat, Chinese", "早上好！周日我们一起吃午饭好吗？"),
    ("threat, English", "I will find you and hurt you. You are going to die."),
    ("threat, Chinese", "我要杀了你，你等着，我会找到你家。"),
    (
        "prize spam",
        "CONGRATULATIONS!!! You have WON a FREE iPhone! Click here now to claim your prize!",
    ),
    ("insult", "You are a stupid idiot and everybody hates you."),
    ("long text", "The bread needs flour, water, salt and a night of patience. " * 60),
)


def _text_sample(title: str, text: str) -> Sample:
    return _sample(title, text)


def _sample(title: str, text: str | None = None, images: tuple[str, ...] = (), audio: tuple[str, ...] = ()) -> Sample:
    post = Post(
        id="sample-" + title.replace(", ", "-").replace(" ", "-").lower(),
        surface="demo",
        text=text,
        images=tuple(map(Media, images)),
        audio=tuple(map(Media, audio)),
    )
    return Sample(title, encode(post))


def draw_house() -> str:
    """A house under the sun, as an inline PNG of 480 x 360 pixels."""
    picture = Image.new("RGB", (480, 360), "skyblue")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 270, 480, 360), fill="yellowgreen")
    pen.rectangle((140, 170, 340, 300), fill="beige", outline="saddlebrown", width=4)
    pen.polygon([(120, 170), (240, 80), (360, 170)], fill="firebrick")
    pen.rectangle((220, 230, 270, 300), fill="saddlebrown")
    _draw_sun(pen, (410, 70))
    return encode_inline(_save(lambda file: picture.save(file, "PNG")), "image/png")


def _draw_sun(pen: ImageDraw.ImageDraw, centre: tuple[int, int]) -> None:
    x, y = centre
    pen.ellipse((x - 35, y - 35, x + 35, y + 35), fill="gold", outline="orange", width=4)


def draw_moving_sun() -> str:
    """A sun that crosses the sky, as an inline GIF of eight frames."""
    frames = [Image.new("RGB", (240, 160), "skyblue") for _ in range(8)]
    for number, frame in enumerate(frames):
        _draw_sun(ImageDraw.Draw(frame), (40 + 22 * number, 80))
    first, rest = frames[0], frames[1:]
    content = _save(lambda file: first.save(file, "GIF", save_all=True, append_images=rest, duration=120, loop=0))
    return encode_inline(content, "image/gif")


def break_picture() -> str:
    """An inline PNG that ends before its first pixel: of one that ends later, the beginning would be scored."""
    picture = Image.new("RGB", (120, 120), "navy")
    content = _save(lambda file: picture.save(file, "PNG"))
    return encode_inline(content[: content.index(b"IDAT") + 4], "image/png")


def play_melody() -> str:
    """Seven notes, as an inline WAV of about 3 seconds; too long to stay in the message."""
    notes = np.concatenate([_play_note(frequency_hz) for frequency_hz in MELODY_HZ])
    return encode_inline(_save(lambda file: _write_wav(file, notes)), "audio/wav")


def _play_note(frequency_hz: float, length_s: float = 0.45) -> npt.NDArray[np.float64]:
    seconds = np.arange(int(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    loudness = np.minimum(seconds / 0.02, 1.0) * np.exp(-3.0 * seconds)
    tone = np.sin(2 * np.pi * frequency_hz * seconds) + 0.3 * np.sin(4 * np.pi * frequency_hz * seconds)
    return np.asarray(loudness * tone)


def _write_wav(file: io.BytesIO, samples: npt.NDArray[np.float64]) -> None:
    with wave.open(file, "wb") as clip:
        clip.setnchannels(1)
        clip.setsampwidth(2)
        clip.setframerate(SAMPLE_RATE_HZ)
        clip.writeframes((samples * 20_000).astype("<i2").tobytes())


def _save(write: Callable[[io.BytesIO], None]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()
