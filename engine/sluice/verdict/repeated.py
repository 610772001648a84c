"""Verdicts on texts that were scored before: a retweet, or the hundredth copy in a flood of spam."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sluice.contract import FIRST_STAGE, FUSION, TEXT_ENCODER
from sluice.features.text import MAX_WHOLE_CHARS
from sluice.inference import Clearance
from sluice.inference.identity import ModelIdentities
from sluice.repeats import Flight, Repeats, digest
from sluice.schema import Post, Verdict, decode_verdict, encode

MODELS = (TEXT_ENCODER, FUSION)
"""A text's scores are theirs; the fusion's row in `ModelIdentities` also tells when its scores of nothing change."""
PARTS = ("text",)


class VerdictRepeats:
    """Verdicts on posts that are a text and nothing else, by that text, the models, and what else decides.

    Parameters
    ----------
    repeats : Repeats
    identities : ModelIdentities
    """

    def __init__(self, repeats: Repeats, identities: ModelIdentities) -> None:
        self._repeats = repeats
        self._identities = identities

    def flight(self) -> Flight[bytes]:
        """See `Repeats.flight`."""
        return self._repeats.flight("post")

    async def board(
        self, flight: Flight[bytes], post: Post, decided_by: bytes, patience_s: float, clearance: Clearance | None
    ) -> Verdict | None:
        """The verdict on the same text, still with the other post's id and times; None if it has to be scored.

        Parameters
        ----------
        post : Post
            One that `is_kept`.
        decided_by : bytes
            Equal for posts that policies and lists cannot tell apart but by their text.
        clearance : Clearance or None
            Under what the first stage may be all that reads it: then what it says counts too.
        """
        models = self._identities.find((FIRST_STAGE, *MODELS) if clearance else MODELS)
        if models is None:
            return None
        key = digest(
            models, clearance.key if clearance else b"", decided_by, (post.text or "").encode("utf-8", "surrogatepass")
        )
        found = await flight.board(key, patience_s)
        return None if found is None else msgspec.structs.replace(decode_verdict(found), cached=PARTS)

    def land(self, flight: Flight[bytes], verdict: Verdict) -> None:
        """Leave to others a verdict on a text that was read as a whole, as its JSON: a quarter of the objects' size."""
        if is_whole(verdict.modalities.values()):
            raw = encode(verdict)
            flight.land(raw, len(raw))
        elif not any(status.startswith("failed") for status in verdict.modalities.values()):
            flight.decline()


def is_kept(post: Post) -> bool:
    """Whether verdicts on posts like this one are kept: a text alone, no longer than what is read of one."""
    return bool(post.text) and not (post.images or post.audio) and len(post.text or "") <= MAX_WHOLE_CHARS


def is_whole(statuses: Iterable[str]) -> bool:
    """Whether every part was read, all of it and in its language."""
    return all(status == "ok" for status in statuses)
