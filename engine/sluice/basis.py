"""What a decision rests on beside the scores, as verdicts keep it for whoever decides a post anew."""

from __future__ import annotations

from typing import Annotated

import msgspec

Moment = Annotated[float, msgspec.Meta(ge=0.0, le=1e11)]
"""Seconds since the epoch."""

TextHash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$", max_length=16)]


class AuthorHistory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was known of a post's author when the post was picked up, without the post itself.

    Attributes
    ----------
    counted_at : float
        The post's own time, for which everything here is counted: seconds since the epoch.
    text_hash : str or None
        SimHash of the post's text, 16 hexadecimal digits, by which near copies are found; None without a text.
    posts_1m, posts_1h, posts_24h : int
        The author's posts in the minute, the hour and the day before.
    reviews_24h, blocks_24h : int
        Of those of the day, the ones whose verdict is ``review``, and ``block``.
    repeats_24h : int
        Of those of the day, the ones whose text is nearly this one.
    copies_24h : int
        Other authors of the same tenant who wrote the same letters and figures in the day before.
    strikes : float
        Posts that were blocked, each the less the longer ago.
    reports_24h : int
        People who reported something of the author in the day before.
    """

    counted_at: Moment = 0.0
    text_hash: TextHash | None = None
    posts_1m: int = 0
    posts_1h: int = 0
    posts_24h: int = 0
    reviews_24h: int = 0
    blocks_24h: int = 0
    repeats_24h: int = 0
    copies_24h: int = 0
    strikes: float = 0.0
    reports_24h: int = 0


class Basis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a decision rests on beside the scores, for whoever decides the post anew: see `sluice backtest`.

    Attributes
    ----------
    pictured : tuple of str
        Labels of which an image says most.
    all_scored, all_understood : bool
        Whether every part was read as a whole, and in a language that is read.
    author_standing, created_at, text_chars, n_images, n_clips
        The post's; the length of its text in characters.
    author : AuthorHistory or None
        None where no history is kept, or the post has no author.
    """

    pictured: tuple[str, ...] = ()
    all_scored: bool = True
    all_understood: bool = True
    author_standing: str | None = None
    created_at: str | None = None
    text_chars: int = 0
    n_images: int = 0
    n_clips: int = 0
    author: AuthorHistory | None = None
