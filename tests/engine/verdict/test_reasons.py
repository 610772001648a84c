"""Which parts of a post a reason points into."""

from __future__ import annotations

import numpy as np

from sluice.modalities.base import Part
from sluice.modalities.scored import ScoredPart
from sluice.schema import LABELS, ImageEvidence, Reason
from sluice.verdict.fusion import Scores
from sluice.verdict.policy import Finding
from sluice.verdict.reasons import explain
from tests.engine.pipelines import POLICY, Bench, extract_image

IMAGES = next(modality for modality in Bench().modalities if modality.name == "image")
THREAT = LABELS.index("threat")


def look_at(index: int) -> ScoredPart:
    """An image whose left top shows everything."""
    heatmap = np.zeros((len(LABELS), 10, 10), np.float32)
    heatmap[:, 0, 0] = 0.9
    rows = extract_image(b"ok").rows
    return ScoredPart(Part(IMAGES, f"image:{index}", "", index), rows, [{"heatmap": heatmap}])


def explain_images(*losses: float) -> Reason:
    parts = [look_at(index) for index in range(len(losses))]
    by_part = {part.part.name: np.eye(len(LABELS))[THREAT] * loss for part, loss in zip(parts, losses, strict=True)}
    return explain(Finding("threat", 0.9, 0.5, "block"), parts, Scores({}, {}, by_part), POLICY)


def shown(reason: Reason) -> list[int]:
    return [item.index for item in reason.evidence if isinstance(item, ImageEvidence)]


def test_a_part_that_adds_little_is_not_pointed_into() -> None:
    reason = explain_images(0.6, 0.01, 0.2)
    assert reason.contributions == {"image:0": 0.6, "image:1": 0.01, "image:2": 0.2}
    assert shown(reason) == [0, 2]


def test_the_weightiest_part_is_pointed_into_however_little_it_adds() -> None:
    assert shown(explain_images(0.01, 0.02, -0.3)) == [1]


def test_without_contributions_nothing_is_pointed_into() -> None:
    assert explain(Finding("threat", 0.9, 0.5, "block"), [look_at(0)], Scores({}, {}, {}), POLICY).evidence == ()
