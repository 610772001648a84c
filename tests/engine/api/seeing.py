"""A scripted scorer that also says where it found something."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from sluice.schema import AudioEvidence, Evidence, ImageEvidence, Post, Reason, TextEvidence, Verdict
from tests.engine.api.conftest import THRESHOLD, WORDS, FakeScorer

BOX = (0.25, 0.125, 0.75, 0.5)
RANGE_S = (0.25, 0.75)


@dataclass
class SeeingScorer(FakeScorer):
    """Finds words in texts, weapons in pictures, gunshots in clips; `statuses` replace those of the parts."""

    statuses: dict[str, str] | None = None

    def _judge(self, post: Post) -> Verdict:
        verdict = super()._judge(post)
        media = [_explain("weapons", f"image:{n}", ImageEvidence(n, BOX)) for n in range(len(post.images))]
        media += [_explain("gunshot", f"audio:{n}", AudioEvidence(n, *RANGE_S)) for n in range(len(post.audio))]
        reasons = [*(self._find(reason, post.text or "") for reason in verdict.reasons), *media]
        parts = {**verdict.modalities, **{f"audio:{n}": "ok" for n in range(len(post.audio))}}
        return msgspec.structs.replace(
            verdict,
            decision="review" if reasons else "allow",
            scores={**verdict.scores, **{reason.label: 0.9 for reason in media}},
            reasons=tuple(reasons),
            modalities=self.statuses or parts,
            latency_ms={"total": 12.0},
        )

    def _find(self, reason: Reason, text: str) -> Reason:
        word = next(word for word, label in WORDS.items() if label == reason.label)
        start = text.index(word)
        return _explain(reason.label, "text", TextEvidence(start, start + len(word)))


def _explain(label: str, part: str, evidence: Evidence) -> Reason:
    return Reason(label, 0.9, THRESHOLD, {part: 0.85}, (evidence,))
