"""The stream that is measured: posts of a seeded generator, some of them repeats of others."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sluice.bench.media import name_clip, name_picture
from sluice.bench.texts import make_text, vary
from sluice.errors import BenchmarkError
from sluice.schema import Media, Post

N_PICTURES = (2, 4)
"""Fewest and most of a post with several."""


@dataclass(frozen=True)
class Mix:
    """What posts are made of, in percent.

    Attributes
    ----------
    text, picture, pictures, sound : float
        Text alone; text and a picture; text and several pictures; text and a clip. Together 100.
    repeats : float
        Posts that repeat one of the thousand before them, half exactly and half nearly.
    """

    text: float = 70.0
    picture: float = 20.0
    pictures: float = 7.0
    sound: float = 3.0
    repeats: float = 15.0

    def __str__(self) -> str:
        return f"{self.text:g}/{self.picture:g}/{self.pictures:g}/{self.sound:g}, {self.repeats:g} % repeats"


RECENT = 1_000
"""Posts back that a repeat may go."""


def parse_mix(shares: str, repeats: float) -> Mix:
    """Read ``70/20/7/3``, or ``text`` for text alone.

    Raises
    ------
    BenchmarkError
        These are not four shares that make 100 together.
    """
    if shares == "text":
        return Mix(100.0, 0.0, 0.0, 0.0, repeats)
    try:
        text, picture, pictures, sound = map(float, shares.split("/"))
    except ValueError as error:
        raise BenchmarkError(f"the mix {shares!r} is not four numbers like 70/20/7/3, nor the word text") from error
    if min(text, picture, pictures, sound) < 0 or abs(text + picture + pictures + sound - 100) > 0.01:
        raise BenchmarkError(f"the mix {shares!r} does not come to 100 percent")
    return Mix(text, picture, pictures, sound, repeats)


def make_posts(n_posts: int, seed: int, mix: Mix, folder: Path) -> list[Post]:
    """The first posts of the stream of a seed; another seed shares nothing with them.

    Parameters
    ----------
    folder : Path
        Where `write_media` puts what the posts refer to.
    """
    maker = _Maker(seed, mix, folder)
    return [maker.make(number) for number in range(n_posts)]


def files_of(posts: Iterable[Post]) -> list[str]:
    """Names of the media's files, each once."""
    uris = (media.uri for post in posts for media in (*post.images, *post.audio))
    return list(dict.fromkeys(Path(uri).name for uri in uris))


class _Maker:
    def __init__(self, seed: int, mix: Mix, folder: Path) -> None:
        self._seed = seed
        self._mix = mix
        self._base = folder.resolve().as_uri()
        self._rng = random.Random(f"posts-{seed}")  # noqa: S311  (reproducible, not secret)
        self._recent: list[Post] = []
        self._n_pictures = self._n_clips = 0

    def make(self, number: int) -> Post:
        is_repeat = bool(self._recent) and self._rng.random() * 100 < self._mix.repeats
        post = self._repeat() if is_repeat else self._make_new()
        if not is_repeat:
            self._recent = [*self._recent[1 - RECENT :], post]
        return msgspec.structs.replace(post, id=f"{self._seed}-{number}")

    def _make_new(self) -> Post:
        kinds, shares = zip(*self._shares().items(), strict=True)
        (kind,) = self._rng.choices(kinds, shares)
        text = make_text(self._rng)
        if kind == "sound":
            return Post(id="-", text=text, audio=(self._clip(),))
        n_pictures = {"text": 0, "picture": 1, "pictures": self._rng.randint(*N_PICTURES)}[kind]
        return Post(id="-", text=text, images=tuple(self._picture() for _ in range(n_pictures)))

    def _shares(self) -> dict[str, float]:
        mix = self._mix
        return {"text": mix.text, "picture": mix.picture, "pictures": mix.pictures, "sound": mix.sound}

    def _repeat(self) -> Post:
        """One of the posts before as it was, or with its text varied and its first picture compressed again."""
        post = self._rng.choice(self._recent)
        if self._rng.random() < 0.5:
            return post
        images = tuple(Media(m.uri.replace(".jpg", "-again.jpg")) if n == 0 else m for n, m in enumerate(post.images))
        return msgspec.structs.replace(post, text=vary(self._rng, post.text or ""), images=images)

    def _picture(self) -> Media:
        self._n_pictures += 1
        return Media(f"{self._base}/{name_picture(self._seed, self._n_pictures)}")

    def _clip(self) -> Media:
        self._n_clips += 1
        return Media(f"{self._base}/{name_clip(self._seed, self._n_clips)}")
