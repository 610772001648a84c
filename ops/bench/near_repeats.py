"""Whether a perceptual hash could tell near repeats of a picture from other pictures: it cannot.

Draws one sentence, and one that means the opposite, on the same photographs. Prints, as one JSON object, how many of a
difference hash's 128 bits differ (least, median, most) between the two, and between a picture and its own smaller copy.
A threshold would have to lie between the most of the second and the least of the first.

``python ops/bench/near_repeats.py``
"""

from __future__ import annotations

import io
import json

import numpy as np
from noto_cjk_sans_jp_regular import FONT_PATH
from PIL import Image, ImageDraw, ImageFont

from sluice_models.data.duplicates import NEAR_BITS, hash_image

SENTENCES = (
    ("I will find you and hurt you", "Come and find us, all are welcome"),
    ("you will pay for this tonight", "you will love this tonight"),
    ("go away, nobody wants you here", "come in, everybody wants you here"),
)
N_PHOTOS = 20


def draw_photo(seed: int) -> Image.Image:
    """Something smooth with edges."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((800, 600), Image.Resampling.BICUBIC)


def write_on(photo: Image.Image, sentence: str) -> Image.Image:
    """A caption in a white bar, as memes have it."""
    picture = photo.copy()
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20, 500, 780, 580), fill="white")
    draw.text((30, 510), sentence, font=ImageFont.truetype(str(FONT_PATH), 36), fill="black")
    return picture


def copy_small(picture: Image.Image) -> Image.Image:
    """The same at half the size, as a JPEG of low quality."""
    file = io.BytesIO()
    picture.resize((400, 300)).save(file, "JPEG", quality=60)
    return Image.open(file)


def count_differing_bits(one: Image.Image, other: Image.Image) -> int:
    """Of the hashes of two pictures."""
    return int(np.unpackbits(hash_image(one) ^ hash_image(other)).sum())


def main() -> None:
    """Print the figures."""
    opposite, copies = [], []
    for seed in range(N_PHOTOS):
        for threat, invitation in SENTENCES:
            picture, other = (write_on(draw_photo(seed), sentence) for sentence in (threat, invitation))
            opposite.append(count_differing_bits(picture, other))
            copies.append(count_differing_bits(picture, copy_small(picture)))
    found = {"opposite": opposite, "copies": copies}
    print(json.dumps({name: np.percentile(bits, [0, 50, 100]).tolist() for name, bits in found.items()}, indent=1))
    print(f"near: at most {NEAR_BITS} bits")


if __name__ == "__main__":
    main()
