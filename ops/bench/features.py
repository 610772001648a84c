"""What feature extraction costs: `python ops/bench/features.py` prints one JSON object, milliseconds of CPU."""

from __future__ import annotations

import io
import json
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from sluice.features.audio import extract_audio, log_mel, warm_up
from sluice.features.image import extract_image
from sluice.features.text import TextExtractor

N_TEXTS = 2_000
SECONDS_PER_CASE = 1.0


def time_ms(work: Callable[[], object], n_items: int = 1) -> float:
    """Median milliseconds of CPU per item, so that a busy machine gives the same."""
    times_s: list[float] = []
    while sum(times_s) < SECONDS_PER_CASE or len(times_s) < 3:
        start = time.process_time()
        work()
        times_s.append(time.process_time() - start)
    return round(float(np.median(times_s)) * 1_000 / n_items, 4)


def draw_photo(width: int = 1200, height: int = 900) -> Image.Image:
    """Something smooth with edges, about as large as a photograph when it is compressed."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height))


def encode_image(image: Image.Image, kind: str) -> bytes:
    """An image file in memory."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def encode_clip(length_s: float, rate_hz: int, kind: str) -> bytes:
    """Noise, written in short pieces since libsndfile's Vorbis encoder dies of long ones."""
    file = io.BytesIO()
    generator = np.random.default_rng(0)
    with soundfile.SoundFile(file, "w", rate_hz, 1, format=kind) as clip:
        for _ in range(round(length_s)):
            clip.write(generator.normal(0.0, 0.1, rate_hz))
    return file.getvalue()


def measure_text() -> dict[str, float]:
    """Short texts in a batch and alone, and a megabyte."""
    extractor = TextExtractor()
    english = [f"see you at {index % 12} o'clock, bring the {index} tickets please" for index in range(N_TEXTS)]
    chinese = [f"今天天气很好，我们{index}点去公园散步吧！" for index in range(N_TEXTS)]
    return {
        "text_short_english_in_batch": time_ms(lambda: extractor.extract_batch(english), N_TEXTS),
        "text_short_chinese_in_batch": time_ms(lambda: extractor.extract_batch(chinese), N_TEXTS),
        "text_short_english_alone": time_ms(lambda: [extractor.extract(text) for text in english], N_TEXTS),
        "text_1_mib_english": time_ms(lambda: extractor.extract("see you there " * 75_000)),
        "text_1_mib_chinese": time_ms(lambda: extractor.extract("今天天气很好，" * 150_000)),
    }


def measure_images() -> dict[str, float]:
    """One megapixel in three formats."""
    photo = draw_photo()
    files = {kind: encode_image(photo, kind) for kind in ("JPEG", "PNG", "WEBP")}
    return {f"image_1_mp_{kind.lower()}": time_ms(partial(extract_image, files[kind])) for kind in files}


def measure_audio() -> dict[str, float]:
    """One window, and clips of ten seconds in four formats."""
    waveform = np.random.default_rng(0).normal(0.0, 0.1, 64_000).astype(np.float32)
    files = {kind: encode_clip(10.0, 44_100, kind) for kind in ("WAV", "FLAC", "OGG", "MP3")}
    costs = {f"audio_10_s_{kind.lower()}": time_ms(partial(extract_audio, files[kind])) for kind in files}
    return {"audio_window": time_ms(lambda: log_mel(waveform)), **costs}


def main() -> None:
    """Measure everything."""
    start = time.process_time()
    warm_up()
    report: dict[str, Any] = {"warm_up": round((time.process_time() - start) * 1_000)}
    report |= measure_text() | measure_images() | measure_audio()
    report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
