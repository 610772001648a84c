"""What heads and fusion on an adopted encoder learn from: the bundle, a user's own labelled posts, or both.

A user's posts are lines of JSON: ``{"text": "…", "labels": {"threat": 1, "spam": 0}}``, or ``{"image": "file.jpg",
"labels": {…}}`` with a file beside the lines' file. A label that is left out, or null, is not annotated.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sluice.errors import MediaInvalid
from sluice.features import IMAGE_SIZE_PX
from sluice.features.image import extract_image
from sluice.features.text import TextExtractor
from sluice.schema import LABELS
from sluice_models.adopting.encoders import AdoptError
from sluice_models.config import ModelName, TextRecipe
from sluice_models.data.bundle import Example, Split, read_targets, read_texts
from sluice_models.recipes.audio.windows import plain_sounds
from sluice_models.recipes.fusion.encoded import Encoded, Float32
from sluice_models.recipes.image.pages import draw_pages
from sluice_models.recipes.image.pictures import load_pictures
from sluice_models.recipes.text.stream import Mixer
from sluice_models.recipes.text.templates import fill_templates
from sluice_models.training import bundle_encoding
from sluice_models.training.bundle_encoding import MAX_PER_SOURCE, encode_examples, encode_rows, sample_sources
from sluice_models.training.text_encoding import EncoderFunction

HELD_OUT_EVERY = 5
"""One of a user's posts in so many is kept for calibration."""
N_BATCH = 64
N_STAND_INS = 200
"""Harmless rows of our own for a kind of part that nobody brought: the fusion has to know what it looks like."""
FUSION_CHUNK = 99
"""Of the stream, what the fusion learns from; the heads do not come as far."""
STAND_IN_SEEDS: dict[Split, int] = {"train": 1, "val": 2}
SPLITS: tuple[Split, ...] = ("train", "val")
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class AdoptionData:
    """Where rows come from.

    Attributes
    ----------
    bundle : Path or None
    posts : list of Example
        A user's own.
    recipe : TextRecipe
        Which texts of the bundle are seen, and how they are weighed.
    pictures_folder : Path
        Where the bundle's decoded pictures are kept.
    """

    bundle: Path | None
    posts: list[Example] = field(default_factory=list)
    recipe: TextRecipe = field(kw_only=True)
    pictures_folder: Path = field(kw_only=True)

    def training_texts(self, number: int) -> list[Example]:
        """A chunk of the stream of texts, and the user's; the same number gives the same."""
        found = [] if self.bundle is None else Mixer(_read_texts(self.bundle, "train"), self.recipe).chunk(number)
        return found + self.own_texts("train")

    def held_out_texts(self) -> list[Example]:
        """A sample of every source's validation texts, and the user's."""
        found = [] if self.bundle is None else _read_texts(self.bundle, "val")
        return sample_sources(found, MAX_PER_SOURCE) + self.own_texts("val")

    def own_texts(self, split: Split) -> list[Example]:
        """The user's texts of a split."""
        return [post for post in self.own(split) if post.text is not None]

    def own(self, split: Split) -> list[Example]:
        """The user's posts of a split."""
        return [post for post in self.posts if is_held_out(post) == (split == "val")]

    def pictures(self, split: Split) -> tuple[Pixels, Float32]:
        """Pixels, shape = (n, 3, 160, 160), and targets, shape = (n, labels)."""
        pixels, targets = self.own_pictures(split)
        if self.bundle is None:
            return pixels, targets
        known = load_pictures(self.bundle, split, self.pictures_folder)
        if len(pixels) == 0:
            return known.pixels, known.targets  # which lie on disk
        return np.concatenate([known.pixels, pixels]), np.concatenate([known.targets, targets])

    def own_pictures(self, split: Split) -> tuple[Pixels, Float32]:
        """The user's, as `pictures`."""
        own = [post for post in self.own(split) if post.media is not None]
        pixels = np.zeros((len(own), 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX), np.uint8)
        for index, post in enumerate(own):
            pixels[index] = _decode(post.media)
        return pixels, np.array([post.targets for post in own], np.float32).reshape(-1, len(LABELS))

    def require(self, name: ModelName) -> None:
        """Raise `AdoptError` if an encoder has nothing to be trained on, or nothing to be calibrated on."""
        kind = {"text_encoder": "text", "image_encoder": "image"}.get(name)
        if self.bundle is not None:
            return
        for split in SPLITS:
            if not any((post.text if kind == "text" else post.media) is not None for post in self.own(split) if kind):
                what = f"{kind} posts" if kind else "labelled sounds"
                use = "train on" if split == "train" else "calibrate on"
                raise AdoptError(f"there are no {what} to {use}: give --bundle, or more --posts")


_read_texts = lru_cache(maxsize=2)(read_texts)
"""A pass is sampled from all of them, and there are many passes."""


def read_posts(file: Path) -> list[Example]:
    """A user's labelled posts; raises `AdoptError` naming the line and what is wrong with it."""
    try:
        lines = file.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AdoptError(f"{file} cannot be read: {error}") from error
    posts = [_read_post(file, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not posts:
        raise AdoptError(f"{file} holds no posts")
    return posts


def _read_post(file: Path, number: int, line: str) -> Example:
    try:
        post = json.loads(line)
        text, image, labels = post.get("text"), post.get("image"), post["labels"]
        fits = (isinstance(text, str), isinstance(image, str)) in ((True, False), (False, True))
    except (ValueError, KeyError, AttributeError) as error:
        raise AdoptError(f'{file}:{number}: not {{"text" or "image": …, "labels": {{…}}}}: {error}') from error
    if not fits or not isinstance(labels, dict):
        raise AdoptError(f'{file}:{number}: takes either "text" or "image", and "labels"')
    if strange := set(labels) - set(LABELS):
        raise AdoptError(f"{file}:{number}: {', '.join(sorted(strange))} is none of {', '.join(LABELS)}")
    if not all(value in (0, 1, None) for value in labels.values()):
        raise AdoptError(f"{file}:{number}: a label is 1, 0 or null")
    media = None if image is None else file.parent / image
    if media is not None and not media.is_file():
        raise AdoptError(f"{file}:{number}: {media} does not exist")
    return Example(f"{file.name}:{number}", text, media, None, read_targets(labels), "own")


def is_held_out(post: Example) -> bool:
    """Whether a user's post is kept for calibration: by its content, so that a repeated one is never on both sides."""
    return zlib.crc32((post.text or str(post.media)).encode()) % HELD_OUT_EVERY == 0


def _decode(file: Path | None) -> Pixels:
    try:
        return extract_image((file or Path()).read_bytes()).rows[0].pixels
    except (OSError, MediaInvalid) as error:
        raise AdoptError(f"{file}: {error}") from error


def encode_pixels(encoder: EncoderFunction, pixels: Pixels, targets: Float32, source: str) -> Encoded:
    """Pictures, shape = (n, 3, 160, 160), through an encoder, as they are."""
    batches = ((torch.from_numpy(pixels[start : start + N_BATCH]),) for start in range(0, len(pixels), N_BATCH))
    return encode_rows(encoder, batches, targets, [source] * len(targets), "val")


def encode_parts(
    encoders: dict[str, EncoderFunction], extractor: TextExtractor, data: AdoptionData, split: Split
) -> list[Encoded]:
    """Texts, pictures and sounds of a split, in the order of the fusion's kinds."""
    texts = data.training_texts(FUSION_CHUNK) if split == "train" else data.held_out_texts()
    texts = texts or fill_templates(N_STAND_INS, seed=STAND_IN_SEEDS[split])
    return [
        encode_examples(encoders["text_encoder"], texts, data.recipe, extractor),
        _encode_pictures(encoders["image_encoder"], data, split),
        _encode_sounds(encoders["audio_encoder"], data, split),
    ]


def _encode_pictures(encoder: EncoderFunction, data: AdoptionData, split: Split) -> Encoded:
    """The bundle's varied as for our own encoder, the user's as they are, or drawn pages."""
    found = []
    if data.bundle is not None:
        found.append(bundle_encoding.encode_pictures(encoder, data.bundle, split, data.pictures_folder))
    pixels, targets = data.own_pictures(split)
    if len(pixels):
        found.append(encode_pixels(encoder, pixels, targets, "own"))
    if not found:
        drawn = draw_pages(N_STAND_INS, seed=STAND_IN_SEEDS[split])
        found.append(encode_pixels(encoder, drawn, np.zeros((len(drawn), len(LABELS)), np.float32), "drawn"))
    return _join(found)


def _encode_sounds(encoder: EncoderFunction, data: AdoptionData, split: Split) -> Encoded:
    if data.bundle is not None:
        return bundle_encoding.encode_sounds(encoder, data.bundle, split)
    sounds = plain_sounds([], N_STAND_INS, seed=STAND_IN_SEEDS[split])
    batches = ((chunk,) for chunk in torch.split(torch.from_numpy(sounds.log_mels), N_BATCH))
    return encode_rows(encoder, batches, sounds.targets, ["made"] * len(sounds.targets), "val")


def _join(parts: list[Encoded]) -> Encoded:
    if len(parts) == 1:
        return parts[0]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("tokens", "mask", "logits", "targets", "weights", "severity")
    }
    return Encoded(**arrays, sources=[source for part in parts for source in part.sources])
