"""The headline figures: which rows of which report they are, and in which order."""

from __future__ import annotations

import math

import pytest

from sluice.intervals import NO_FIGURE, Figure
from sluice_models.measure.functional import OWN, TEMPLATES, FunctionalRow
from sluice_models.measure.headlines import Headline
from sluice_models.measure.label_figures import ALL_SOURCES, LabelRow
from sluice_models.measure.mixtures import MixtureRow
from sluice_models.measure.obfuscation import ALL_TRICKS, NEVER_TRAINED, RobustnessRow
from sluice_models.measure.rationales import EvidenceRow
from sluice_models.measure.report import Evaluation
from sluice_models.measure.source_figures import OWN_NEGATIVES, SourceRow
from sluice_models.measure.summary import Headlines, summarise

pytestmark = pytest.mark.torch


def at(value: float) -> Figure:
    return Figure(value, value - 0.1, value + 0.1)


def source_row(label: str, auroc: float, source: str = "one", language: str = "en", **changes) -> SourceRow:
    fields = {"negatives": OWN_NEGATIVES, "modality": "text"} | changes
    return SourceRow(source, language, label, fields["negatives"], 30, 70, at(auroc), at(0.4), fields["modality"])


def label_row(modality: str, label: str, ece: float = math.nan, source: str = ALL_SOURCES) -> LabelRow:
    calibration = NO_FIGURE if math.isnan(ece) else at(ece)
    return LabelRow(
        modality, label, source, 40, 60, at(0.8), at(0.9), at(0.7), at(0.6), calibration, 0.8, at(0), 0.5, 0.9
    )


def summary(**reports: tuple) -> list[Headline]:
    return summarise(Evaluation("val", reports))


def names(headlines: list[Headline]) -> list[str]:
    return [headline.what for headline in headlines]


def test_what_was_not_measured_has_no_headline() -> None:
    assert summary() == []


def test_sources_left_out_are_averaged_by_language_and_label() -> None:
    rows = (
        source_row("hate", 0.6), source_row("hate", 0.8, "two"), source_row("hate", 0.1, "three", negatives="assumed"),
        source_row("toxicity", 0.7, language="zh"),
    )  # fmt: skip
    english, chinese = summary(left_out=rows)
    assert (english.what, english.n_rows) == ("English hate, AUROC", 2)
    assert english.figure.value == pytest.approx(0.7)
    assert chinese.what == "Chinese toxicity, AUROC"
    assert chinese.figure.value == pytest.approx(0.7)


@pytest.mark.parametrize("label", ["threat", "violence", "self_harm", "sexual", "spam"])
def test_a_rare_harms_source_stands_by_itself(label: str) -> None:
    (headline,) = summary(left_out=(source_row(label, 0.9, "sdcnl"),))
    assert headline == Headline(f"{label}, AUPRC", "sdcnl, left out of training", 100, at(0.4))


def test_of_functional_tests_only_the_means_over_held_out_templates_are_shown() -> None:
    rows = tuple(
        FunctionalRow(suite, name, True, 9, at(0.9))
        for suite in (OWN, TEMPLATES)
        for name in ("slurs", "all hateful (mean over families)")
    )
    assert names(summary(functional=rows)) == ["all hateful (mean over families): accuracy"]


def test_spam_and_what_is_seen_are_shown_over_all_sources() -> None:
    rows = (
        label_row("text", "spam"), label_row("text", "hate"), label_row("image", "weapons"), label_row("image", "fire"),
        label_row("image", "weapons", source="one"), label_row("audio", "scream"),
    )  # fmt: skip
    shown = [name for name in names(summary(labels=rows)) if "calibration" not in name]
    assert shown == ["text: spam, AUPRC", "image: weapons, AUPRC", "image: fire, AUPRC"]


def test_the_label_that_is_calibrated_worst_is_named() -> None:
    rows = (
        label_row("text", "hate", ece=0.02), label_row("audio", "scream", ece=0.07), label_row("text", "spam"),
        label_row("image", "fire", ece=0.9, source="one"),
    )  # fmt: skip
    worst = summary(labels=rows)[-1]
    assert worst.what == "calibration error, worst label (audio: scream)"
    assert worst.figure.value == pytest.approx(0.07)


def test_where_no_label_has_rows_enough_there_is_no_calibration_error() -> None:
    assert names(summary(labels=(label_row("text", "hate"),))) == []


def test_sources_never_trained_on_count_with_their_own_negatives_alone() -> None:
    rows = (source_row("hate", 0.9), source_row("threat", 0.9, negatives="harmless rows from elsewhere"))
    (headline,) = summary(unseen=rows)
    assert (headline.what, headline.rows) == ("text: hate, AUPRC", "one, never trained on")


@pytest.mark.parametrize(("trick", "shown"), [(ALL_TRICKS, True), (NEVER_TRAINED, True), ("spacing", False)])
def test_of_tricks_only_the_means_are_shown(trick: str, shown: bool) -> None:
    rows = (RobustnessRow(trick, "en", "hate", 40, at(0.9), at(0.8), at(-0.1), 0.88),)
    found = summary(robustness=rows)
    assert bool(found) is shown
    if shown:
        assert found[0].figure.value == 0.88
        assert math.isnan(found[0].figure.low)


def test_events_are_shown_at_even_loudness() -> None:
    rows = tuple(MixtureRow("gunshot", snr, 9, 9, 3, at(0.5), at(0.6)) for snr in (-10, 0, 20))
    (headline,) = summary(mixtures=rows)
    assert (headline.what, headline.n_rows) == ("gunshot at 0 dB, AUPRC", 18)


def test_the_first_three_figures_of_evidence_are_shown() -> None:
    rows = tuple(EvidenceRow(f"measure {number}", 10, at(0.5), 0.2) for number in range(5))
    assert names(summary(evidence=rows)) == ["measure 0", "measure 1", "measure 2"]


def test_left_out_sources_come_first_and_calibration_last() -> None:
    own = Headline("COLD accuracy", "rows", 5, at(0.8))
    found = names(
        summary(
            headlines=(own,), left_out=(source_row("hate", 0.6),), labels=(label_row("text", "spam", ece=0.01),),
            unseen=(source_row("hate", 0.9),),
        )
    )  # fmt: skip
    assert found[:2] == ["English hate, AUROC", "COLD accuracy"]
    assert found[-1].startswith("calibration error")


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (Figure(0.5, 0.4, 0.6), "0.500 [0.400, 0.600]"),
        (Figure(0.5, math.nan, math.nan), "0.500"),
        (NO_FIGURE, "–"),
    ],
)
def test_a_figure_without_an_interval_is_shown_without_one(figure: Figure, shown: str) -> None:
    (table,) = Headlines().tables(Evaluation("val", {"headlines": (Headline("what", "of", 3, figure),)}))
    assert table.markdown().splitlines()[-1] == f"| what | of | 3 | {shown} |"
