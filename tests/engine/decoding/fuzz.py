"""Mutated media through the decoders: every file has its outcome, nothing crashes, nothing is leaked.

``python -m tests.engine.decoding.fuzz --files 20000 --seed 1`` prints a JSON object, and fails if that is untrue.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
import soundfile
from PIL import Image

from sluice.config import DecodingConfig
from sluice.decoding.pool import REASONS, DecodingPool
from sluice.errors import MediaInvalid
from sluice.features.audio import extract_audio
from sluice.features.image import extract_image
from tests.engine.decoding.files import encode

MAX_GROWTH = 0.05
_N_AT_ONCE = 4
Mutate = Callable[[bytearray, random.Random], bytes]


@dataclass
class Report:
    """What came of a run.

    Attributes
    ----------
    outcomes : counter of str
        ``ok``, ``partial``, or the reason why a file was refused.
    early_bytes, late_bytes : int
        Memory that no other process has, of this process and its decoders: after the first tenth, and at the end.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    early_bytes: int = 0
    late_bytes: int = 0

    @property
    def growth(self) -> float:
        """Of the memory, from the first tenth to the end."""
        return self.late_bytes / self.early_bytes - 1.0


def make_seeds() -> list[tuple[Callable[..., Any], bytes]]:
    """Small files of every format that can be written here."""
    noise = Image.effect_noise((48, 40), 60).convert("RGB")
    frames = [noise.rotate(angle) for angle in (0, 90, 180)]
    moving = {"save_all": True, "append_images": frames[1:], "duration": 50}
    images = [encode(noise, kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")]
    images += [encode(frames[0], kind, **moving) for kind in ("GIF", "WEBP", "PNG", "TIFF", "AVIF")]
    images += [encode(noise, "JPEG", progressive=True), encode(noise.convert("RGBA")), encode(noise.quantize(8), "GIF")]
    images += [encode(noise, "TIFF", compression=each) for each in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")]
    tone = np.sin(np.arange(4_000) / 5).astype(np.float32) / 2
    clips = [_write(tone, kind, None) for kind in ("WAV", "FLAC", "OGG", "MP3")]
    clips += [_write(tone, "WAV", each) for each in ("FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM", "PCM_24")]
    clips += [_write(np.stack([tone] * 6, axis=1), "WAV", None), clips[3] * 2, clips[2] * 2]
    return [(extract_image, each) for each in images] + [(extract_audio, each) for each in clips + _record(tone)]


def _write(samples: np.ndarray[Any, np.dtype[np.float32]], kind: str, subtype: str | None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 8_000, subtype, format=kind)
    return file.getvalue()


def _record(tone: np.ndarray[Any, np.dtype[np.float32]]) -> list[bytes]:
    """Voice notes, where FFmpeg is there to write them."""
    try:
        import av
    except ImportError:
        return []
    notes = []
    for name, codec, rate in (("ipod", "aac", 16_000), ("webm", "libopus", 48_000), ("adts", "aac", 16_000)):
        file = io.BytesIO()
        with av.open(file, "w", format=name) as container:
            stream = container.add_stream(codec, rate=rate, layout="mono")
            frame = av.AudioFrame.from_ndarray((tone * 32_767).astype(np.int16)[None], format="s16", layout="mono")
            frame.rate = rate
            for packet in [*stream.encode(frame), *stream.encode(None)]:  # type: ignore[union-attr]
                container.mux(packet)
        notes.append(file.getvalue())
    return notes


def _flip(content: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 8)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def _flip_head(content: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(min(64, len(content)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(content)


def _cut(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[: rng.randrange(len(content))])


def _drop(content: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return bytes(content[:start] + content[start + rng.randint(1, 64) :])


def _repeat(content: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    stop = start + rng.randint(1, 256)
    return bytes(content[:stop] + content[start:stop] * rng.randint(1, 50) + content[stop:])


def _write_number(content: bytearray, rng: random.Random) -> bytes:
    place = rng.randrange(max(1, len(content) - 4))
    content[place : place + 4] = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)).to_bytes(
        4, rng.choice(("big", "little"))
    )
    return bytes(content)


MUTATIONS: tuple[Mutate, ...] = (_flip, _flip, _flip_head, _cut, _drop, _repeat, _write_number)


async def run(n_files: int, seed: int) -> Report:
    """Decode `n_files` mutations; raises what is neither features nor a known reason."""
    rng, seeds, report = random.Random(seed), make_seeds(), Report()
    pool = DecodingPool(DecodingConfig(n_decoders=2))
    await pool.start()
    places = asyncio.Semaphore(_N_AT_ONCE)

    async def decode(extract: Callable[..., Any], content: bytes) -> None:
        async with places:
            report.outcomes[await _outcome(pool, extract, content)] += 1

    for part in range(10):
        chosen = [rng.choice(seeds) for _ in range(n_files // 10)]
        mutated = [(extract, rng.choice(MUTATIONS)(bytearray(content), rng)) for extract, content in chosen]
        await asyncio.gather(*(decode(*each) for each in mutated))
        mutated.clear()
        report.late_bytes = _memory_of(pool)
        report.early_bytes = report.late_bytes if part == 0 else report.early_bytes
    await pool.close()
    return report


async def _outcome(pool: DecodingPool, extract: Callable[..., Any], content: bytes) -> str:
    try:
        features = await pool(extract, content)
    except MediaInvalid as error:
        if error.reason not in {*REASONS, "decoder"}:
            raise
        return error.reason
    return "partial" if features.partial else "ok"


def _memory_of(pool: DecodingPool) -> int:
    gc.collect()
    each = [psutil.Process(pid).memory_full_info().uss for pid in (*pool.pids, psutil.Process().pid)]
    return sum(each)


def main() -> int:
    """Run and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report = asyncio.run(run(arguments.files, arguments.seed))
    bytes_used = {"early_bytes": report.early_bytes, "late_bytes": report.late_bytes}
    print(json.dumps({"outcomes": dict(report.outcomes), **bytes_used, "growth": round(report.growth, 4)}))
    return int(report.growth > MAX_GROWTH or report.outcomes["decoder"] > 0)


if __name__ == "__main__":
    sys.exit(main())
