"""How often everyday pictures are flagged by what they show: pages drawn by program, and the validation split's.

The words in pictures are not read here; ``python ops/bench/notices.py`` does that. Pictures of sources never trained
on are in `sluice_models.measure.unseen`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sluice_models.data.bundle import read_media
from sluice_models.measure.context import EvaluationContext, thresholds_of
from sluice_models.measure.everyday_alarms import (
    MADE,
    RECORDED,
    AlarmRow,
    count_everyday_alarms,
    find_harmless,
    tabulate_alarms,
)
from sluice_models.measure.report import Evaluation, Report, Table
from sluice_models.measure.score_media import MediaScorer
from sluice_models.recipes.image.pages import draw_pages

N_PAGES = 300
SEED = 3
"""Training draws its pages with 1, the validation split with 2."""
PAGES = "pages, slides, notices, chats"


class EverydayPictures(Report[AlarmRow]):
    """False alarms on everyday pictures."""

    name, title = "everyday_pictures", "false alarms on everyday pictures"

    def measure(self, context: EvaluationContext) -> Iterator[AlarmRow]:
        """Drawn pages, then recorded pictures by source."""
        scorer = MediaScorer("image", context.models.image, context.models.fusion)
        thresholds = thresholds_of(context.policy, "image")
        pages = scorer.score_rows(list(draw_pages(N_PAGES, SEED)))
        yield count_everyday_alarms(PAGES, MADE, pages, thresholds)
        for source, examples in find_harmless(read_media(context.bundle, "images", context.split)).items():
            read, scores = scorer.score(examples)
            if read:
                yield count_everyday_alarms(source, RECORDED, scores, thresholds)

    def tables(self, evaluation: Evaluation) -> Iterable[Table[AlarmRow]]:
        """One."""
        yield tabulate_alarms("everyday-pictures", "pictures", evaluation.of(EverydayPictures))
