"""How well copies of pictures are found, and how long a look-up among millions of hashes takes.

::

    python ops/bench/hashes.py --pictures 1000 --others 10000 --hashes 10000000

Pictures are drawn: shapes, lines and gradients. Each of the known ones is copied as a JPEG of quality 30, at half its
size as a JPEG of quality 40, and at one and a half of it as a WebP of quality 50. Known ones and copies are decoded as
a worker does, others hashed as they are drawn. Times of look-ups are of the wall: give the machine nothing else to do.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import time
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sluice.features import Print
from sluice.features.image import extract_image_and_prints
from sluice.features.pdq import hash_picture
from sluice.hashes.bank import BankSettings, HashEntry, make_bank
from sluice.hashes.finder import BankFinder, KnownFile
from sluice.hashes.index import PdqIndex

N_LOOKUPS = 2_000


def draw(seed: int) -> Image.Image:
    """A picture of its own: a gradient, and shapes on it."""
    rng = random.Random(seed)
    width, height = rng.randint(300, 900), rng.randint(300, 900)
    ends = [np.array([rng.randrange(256) for _ in range(3)]) for _ in range(2)]
    share = np.linspace(0, 1, width)[None, :, None] * np.ones((height, 1, 1))
    picture = Image.fromarray((ends[0] * (1 - share) + ends[1] * share).astype(np.uint8))
    canvas = ImageDraw.Draw(picture)
    for _ in range(rng.randint(8, 30)):
        draw_shape(canvas, rng, width, height)
    return picture.filter(ImageFilter.GaussianBlur(rng.choice([0, 1, 2])))


def draw_shape(canvas: ImageDraw.ImageDraw, rng: random.Random, width: int, height: int) -> None:
    """An ellipse, a box, a triangle or a line."""
    points = [(rng.randrange(-50, width + 50), rng.randrange(-50, height + 50)) for _ in range(3)]
    colour = tuple(rng.randrange(256) for _ in range(3))
    (left, top), (right, bottom) = points[:2]
    box = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
    match rng.randrange(4):
        case 0:
            canvas.ellipse(box, fill=colour)
        case 1:
            canvas.rectangle(box, fill=colour)
        case 2:
            canvas.polygon(points, fill=colour)
        case 3:
            canvas.line(points[:2], fill=colour, width=rng.randint(2, 25))


def write(picture: Image.Image, form: str, quality: int = 90) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    picture.save(file, form, quality=quality)
    return file.getvalue()


def copies(picture: Image.Image) -> Iterator[tuple[str, bytes]]:
    """What becomes of a picture on its way: its name, and the file."""
    width, height = picture.size
    half, larger = (picture.resize((int(width * by), int(height * by))) for by in (0.5, 1.5))
    yield "JPEG 30", write(picture, "JPEG", 30)
    yield "half, JPEG 40", write(half, "JPEG", 40)
    yield "1.5 times, WebP 50", write(larger, "WEBP", 50)


def hash_file(content: bytes) -> Print:
    """As a worker hashes it."""
    return extract_image_and_prints(content).prints[0]


def measure_copies(n_known: int, n_others: int) -> None:
    """Print how many copies are found, and how many others."""
    known = {seed: hash_file(write(draw(seed), "PNG")) for seed in range(n_known)}
    spared = set(range(0, n_known, 10))
    bank = make_bank(HashEntry("pdq", each.bits.hex(), id=str(seed)) for seed, each in known.items())
    negative = make_bank((HashEntry("pdq", known[seed].bits.hex()) for seed in spared), BankSettings(is_negative=True))
    finder, both = BankFinder({"known": bank}), BankFinder({"known": bank, "spared": negative})
    found: dict[str, int] = {}
    n_spared_found = 0
    for seed in range(n_known):
        for name, content in copies(draw(seed)):
            seen = KnownFile("image:0", {}, [hash_file(content)])
            found[name] = found.get(name, 0) + any(match.id == str(seed) for match in finder.find(seen))
            n_spared_found += seed in spared and bool(both.find(seen))
    low = sum(each.quality < 50 for each in known.values())
    print(f"{n_known} known pictures, {low} of them of a quality below 50")
    for name, n_found in found.items():
        print(f"{name:<24} {n_found} of {n_known} found, {100 * n_found / n_known:.1f} %")
    n_all = sum(found.values())
    print(f"{'all copies':<24} {n_all} of {n_known * len(found)} found, {100 * n_all / n_known / len(found):.2f} %")
    print(f"{'copies that are spared':<24} {n_spared_found} of {len(spared) * len(found)} found")
    others = (KnownFile("image:0", {}, [hash_picture(draw(10**6 + seed))]) for seed in range(n_others))
    print(f"{'others':<24} {sum(bool(finder.find(each)) for each in others)} of {n_others} found")


def measure_lookup(n_hashes: int) -> None:
    """Print what an index of random hashes takes, and how long look-ups do."""
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 256, (n_hashes, 32), dtype=np.uint8)
    before, began = resident_mb(), time.process_time()
    index = PdqIndex(hashes)
    print(f"index of {n_hashes:,} hashes: {time.process_time() - began:.1f} s of CPU, "
          f"{resident_mb() - before:.0f} MB at most beside the hashes' {hashes.nbytes / 2**20:.0f} MB")  # fmt: skip
    took_ms, cpu_ms, n_found = [], [], 0
    for _ in range(N_LOOKUPS):
        place = int(rng.integers(n_hashes))
        bits = np.unpackbits(hashes[place])
        bits[rng.choice(256, int(rng.integers(0, 32)), replace=False)] ^= 1
        value = np.packbits(bits).tobytes()
        began, cpu_began = time.perf_counter(), time.thread_time()
        found = index.find(value)
        took_ms.append((time.perf_counter() - began) * 1000)
        cpu_ms.append((time.thread_time() - cpu_began) * 1000)
        n_found += any(each == place for each, _ in found)
    print(f"{n_found} of {N_LOOKUPS} found at 0 to 31 bits")
    for name, each in (("of the wall", sorted(took_ms)), ("of CPU", sorted(cpu_ms))):
        p50, p99 = (each[int(share * N_LOOKUPS)] for share in (0.5, 0.99))
        print(f"a look-up: p50 {p50:.2f} ms, p99 {p99:.2f} ms, at most {each[-1]:.2f} ms {name}")


def resident_mb() -> float:
    """The most that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How well copies are found, and how fast.")
    parser.add_argument("--pictures", type=int, default=1_000)
    parser.add_argument("--others", type=int, default=10_000)
    parser.add_argument("--hashes", type=int, default=10_000_000)
    options = parser.parse_args()
    if options.hashes:
        measure_lookup(options.hashes)
    if options.pictures:
        measure_copies(options.pictures, options.others)


if __name__ == "__main__":
    main()
