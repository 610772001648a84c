"""Sources that training does not see: how they are sampled, compared and left out, and what is kept of the figures."""

import json

import numpy as np
import pytest
import typer
import zstandard
from PIL import Image

from sluice.schema import HARMS, LABELS
from sluice_models.data.bundle import Example, read_source_rows, read_unused_media
from sluice_models.leave_out import check_folds, measure_left_out
from sluice_models.measure.context import DecisionThresholds
from sluice_models.measure.folds import (
    FOLDS,
    FoldFigures,
    find_bare_labels,
    read_figures,
    template_labels,
    write_figures,
)
from sluice_models.measure.source_figures import (
    OWN_NEGATIVES,
    SourceRow,
    average_sources,
    compare,
    report_source,
    sample_source,
)
from sluice_models.measure.unseen import (
    ELSEWHERE,
    count_alarms,
    report_rows,
)
from sluice_models.measure.unused_rows import ScoredRows, score_unused_texts

pytestmark = pytest.mark.torch
HATE, THREAT, WEAPONS = (LABELS.index(label) for label in ("hate", "threat", "weapons"))


def make_row(number, source="made", lang="en", **labels):
    targets = np.array([labels.get(label, np.nan) for label in LABELS], np.float32)
    return Example(f"{source}-{number}", f"text {number}", None, lang, targets, source)


class KnowsTheTruth:
    """Stands for a scorer: hate is the share of the numbers up to 100 that a text names."""

    def score(self, texts):
        scores = np.zeros((len(texts), len(LABELS)), np.float32)
        scores[:, HATE] = [int(text.split()[-1]) / 100 for text in texts]
        return scores


def test_a_sample_keeps_rare_harms_and_says_what_a_row_stands_for():
    rows = [make_row(i, threat=1) for i in range(7)] + [make_row(i, threat=0, hate=i % 2) for i in range(100)]
    sample = sample_source(rows, 20)
    assert len(sample.rows) == 27
    assert sum(row.targets[THREAT] == 1 for row in sample.rows) == 7
    assert sample.weights.sum() == pytest.approx(107)
    assert [row.key for row in sample_source(rows, 20).rows] == [row.key for row in sample.rows]


def test_rows_that_stand_for_several_count_so_often():
    rng = np.random.default_rng(0)
    scores, positive = rng.random(120).astype(np.float32), np.arange(120) < 40
    weights = np.where(positive, 1, 3).astype(np.float32)
    repeated = np.repeat(np.arange(120), weights.astype(int))
    weighted, plain = compare(scores, positive, weights), compare(scores[repeated], positive[repeated], np.ones(280))
    assert [figure.value for figure in weighted] == pytest.approx([figure.value for figure in plain], abs=1e-5)


def test_too_few_rows_have_no_figure():
    assert compare(np.ones(30, np.float32), np.arange(30) < 5, np.ones(30, np.float32)) is None


def test_a_source_is_reported_by_label_and_language():
    rows = [make_row(i, hate=float(i >= 50), lang="zh" if i % 2 else "en") for i in range(100)]
    reports = list(report_source(sample_source(rows, 100), KnowsTheTruth().score([row.text for row in rows])))
    assert [(row.language, row.label, row.negatives) for row in reports] == [
        ("en", "hate", OWN_NEGATIVES),
        ("zh", "hate", OWN_NEGATIVES),
    ]


def test_rows_without_what_a_source_looked_for_count_as_0_and_are_told_apart():
    rows = [make_row(i, source="edos", **({"hate": 1} if i >= 50 else {})) for i in range(100)]
    (report,) = measure_left_out(KnowsTheTruth(), rows)
    assert (report.negatives, report.n_positives, report.n_negatives) == ("its own, assumed", 50, 50)
    assert report.auroc.value == 1
    assert average_sources([report]) == []


def test_left_out_sources_are_scored_each_alone_and_averaged():
    right = [make_row(i, source="one", hate=float(i >= 50)) for i in range(100)]
    wrong = [make_row(i, source="two", hate=float(i < 50)) for i in range(100)]
    reports = measure_left_out(KnowsTheTruth(), right + wrong)
    assert [(report.source, report.auroc.value) for report in reports] == [("one", 1.0), ("two", 0.0)]
    (mean,) = average_sources(reports)
    assert (mean.n_sources, mean.auroc, mean.lowest, mean.highest) == (2, 0.5, 0.0, 1.0)


def test_no_source_is_left_out_twice():
    sources = [source for fold in FOLDS.values() for source in fold]
    assert len(sources) == len(set(sources))


def test_a_fold_that_is_none_is_named():
    with pytest.raises(typer.BadParameter, match=r"'Z' is not one of A\|B"):
        check_folds(["A", "Z"])
    assert check_folds(["A"]) == ["A"]
    assert check_folds(None) == []


def test_a_harm_whose_only_source_is_left_out_is_found():
    rows = [make_row(0, source="sdcnl", self_harm=1), make_row(1, source="other", hate=1)]
    fold = next(name for name, sources in FOLDS.items() if "sdcnl" in sources)
    assert "self_harm" in find_bare_labels(fold, rows)
    assert "self_harm" not in find_bare_labels("A", rows)
    assert "hate" not in find_bare_labels("B", rows)


def test_templates_have_sentences_for_the_harms_that_sources_lack():
    assert {"self_harm", "weapons", "fraud", "gambling"} <= template_labels() <= set(HARMS)


def test_figures_of_a_fold_are_kept_and_read_again(tmp_path):
    rows = [make_row(i, hate=float(i >= 50)) for i in range(100)]
    reports = measure_left_out(KnowsTheTruth(), rows)
    assert read_figures(tmp_path) == []
    write_figures(tmp_path, "B", FoldFigures(1.0, reports))
    assert read_figures(tmp_path) == reports


def score(rows, hate):
    scores = np.zeros((len(rows), len(LABELS)), np.float32)
    scores[:, HATE] = hate
    return scores


def test_a_source_without_negatives_is_compared_with_harmless_rows_of_its_language():
    positives = [make_row(i, source="bad", hate=1) for i in range(30)]
    harmless = [make_row(i, source="news", hate=0) for i in range(25)]
    foreign = [make_row(i, source="news", lang="zh", hate=0) for i in range(40)]
    examples = positives + foreign + harmless
    rows = ScoredRows("text", examples, score(examples, 0.5), n_unused=len(positives) + len(foreign))
    (report,) = report_rows(rows, LABELS)
    assert isinstance(report, SourceRow)
    assert (report.source, report.negatives, report.n_negatives) == ("bad", ELSEWHERE, 25)


def test_a_source_with_negatives_of_its_own_is_compared_with_those():
    own = [make_row(i, source="both", hate=float(i < 30)) for i in range(60)]
    others = [make_row(i, source="news", hate=0) for i in range(50)]
    (report,) = report_rows(ScoredRows("text", own + others, score(own + others, 0.5), 60), LABELS)
    assert (report.negatives, report.n_negatives) == (OWN_NEGATIVES, 30)


def test_false_alarms_are_counted_among_rows_known_to_be_harmless():
    harmless = [make_row(i, source="news", hate=0, threat=0) for i in range(40)]
    half_known = [make_row(i, source="news", hate=0) for i in range(60)]
    examples = harmless + half_known
    hate = np.where(np.arange(100) < 10, 0.95, np.where(np.arange(100) < 20, 0.7, 0.99 * (np.arange(100) >= 40)))
    rows = ScoredRows("text", examples, score(examples, hate), len(examples))
    (alarms,) = count_alarms(rows, DecisionThresholds({"hate": 0.6}, {"hate": 0.9}))
    assert (alarms.n_rows, alarms.reviewed, alarms.blocked) == (40, 0.5, 0.25)


def test_rows_under_non_commercial_terms_are_only_measured_on(tmp_path, scorer):
    Image.new("RGB", (20, 20)).save(tmp_path / "one.png")
    common = {"split": "train", "lang": "en", "labels": {"hate": 0}, "licence": "-", "source": "made"}
    rows = [
        {"id": f"{kind}-{i}", "text": f"text {i}", "licence_class": kind, **common, "labels": {"hate": i % 2}}
        for kind in ("nc", "open")
        for i in range(50)
    ]
    packed = zstandard.ZstdCompressor().compress("\n".join(map(json.dumps, rows)).encode())
    (tmp_path / "text.jsonl.zst").write_bytes(packed)
    lines = [{"id": kind, "image": "one.png", "licence_class": kind, **common} for kind in ("nc", "open")]
    (tmp_path / "images.jsonl").write_text("\n".join(map(json.dumps, lines)))
    scored = score_unused_texts(scorer, tmp_path, [])
    (report,) = report_rows(scored, LABELS)
    (alarms,) = count_alarms(scored, DecisionThresholds({}, {}))
    assert (report.n_positives, report.n_negatives) == (25, 25)
    assert alarms.reviewed == 0
    assert [row.key for row in read_unused_media(tmp_path, "images")] == ["nc"]
    assert {row.key.split("-")[0] for row in read_source_rows(tmp_path, frozenset({"made"}))} == {"open"}
