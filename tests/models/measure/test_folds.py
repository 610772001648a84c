"""Folds that leave sources out: what they may leave, and what is kept of their figures."""

import numpy as np
import pytest

from sluice.errors import SettingsError
from sluice.intervals import Figure
from sluice.schema import HARMS, LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure import folds as module
from sluice_models.measure.folds import (
    FIGURES,
    FOLDS,
    NOT_RUN,
    FoldFigures,
    FoldRun,
    LeftOut,
    LeftOutRuns,
    find_bare_labels,
    read_figures,
    read_folds,
    template_labels,
    write_figures,
)
from sluice_models.measure.report import Evaluation
from sluice_models.measure.source_figures import ASSUMED_ZERO, OWN_NEGATIVES, SourceRow

pytestmark = pytest.mark.torch


def make_row(label="hate", source="one", language="en", auroc=0.75, negatives=OWN_NEGATIVES):
    figure = Figure(auroc, auroc - 0.1, auroc + 0.1)
    return SourceRow(source, language, label, negatives, 30, 70, figure, figure)


def keep(folder, fold, *rows, share=1.0):
    return write_figures(folder, fold, FoldFigures(share, list(rows)))


def make_text(source, **labels):
    targets = np.array([labels.get(label, np.nan) for label in LABELS], np.float32)
    return Example("k", "text", None, "en", targets, source)


def evaluate(rows):
    return {table.name: table for table in LeftOut().tables(Evaluation("val", {"left_out": tuple(rows)}))}


def test_no_source_is_left_out_twice():
    sources = [source for fold in FOLDS.values() for source in fold]
    assert len(sources) == len(set(sources))


def test_a_harm_is_bare_where_only_the_folds_sources_have_it():
    texts = [make_text("ethos", threat=1), make_text("elsewhere", threat=0, hate=1)]
    bare = find_bare_labels("K", texts)
    assert "threat" in bare
    assert "hate" not in bare
    assert bare <= set(HARMS)
    assert find_bare_labels("A", texts) == bare - {"threat"}


def test_without_texts_every_harm_is_bare():
    assert find_bare_labels("A", []) == set(HARMS)


def test_templates_speak_of_harms():
    assert {"fraud", "gambling", "weapons"} <= template_labels() <= set(HARMS)


def test_figures_are_read_back_sorted_by_language_label_and_source(tmp_path):
    rows = [make_row("toxicity"), make_row("hate", "two"), make_row("hate", "one"), make_row("hate", language="zh")]
    keep(tmp_path, "B", *rows[:2])
    keep(tmp_path, "A", *rows[2:])
    found = read_figures(tmp_path)
    assert sorted(found, key=repr) == sorted(rows, key=repr)
    order = [(row.language, LABELS.index(row.label), row.source) for row in found]
    assert order == sorted(order)


def test_a_fold_that_is_run_again_replaces_its_figures(tmp_path):
    keep(tmp_path, "A", make_row(auroc=0.5))
    keep(tmp_path, "A", make_row(auroc=0.8))
    assert [row.auroc.value for row in read_figures(tmp_path)] == [0.8]


def test_files_that_are_no_folds_are_not_read(tmp_path):
    keep(tmp_path, "Z", make_row())
    assert read_figures(tmp_path) == []


@pytest.mark.parametrize("content", ["[{}]", "{", "{}", '{"share": 1, "rows": [{}]}', ""])
def test_a_broken_file_is_named(tmp_path, content):
    keep(tmp_path, "C").write_text(content)
    with pytest.raises(SettingsError, match=r"C\.json"):
        read_figures(tmp_path)


def test_the_figures_that_the_project_keeps_are_of_the_folds_sources():
    rows = read_figures(FIGURES)
    assert {row.source for row in rows} <= {source for fold in FOLDS.values() for source in fold}
    assert {row.negatives for row in rows if row.source in ASSUMED_ZERO and row.label == "hate"} <= {"its own, assumed"}


def test_the_report_reads_what_the_folds_left(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FIGURES", tmp_path)
    keep(tmp_path, "A", make_row())
    assert list(LeftOut().measure(None)) == [make_row()]


def test_means_are_over_sources_of_a_language_and_label():
    tables = evaluate([make_row(auroc=0.7), make_row(source="two", auroc=0.9), make_row(language="zh", auroc=0.6)])
    means = tables["left-out-means"].markdown().splitlines()[2:]
    assert means == [
        "| en | hate | 2 | 0.800 | 0.700 | 0.900 | 0.800 |",
        "| zh | hate | 1 | 0.600 | 0.600 | 0.600 | 0.600 |",
    ]
    assert len(tables["left-out"].markdown().splitlines()) == 2 + 3


def test_a_source_whose_negatives_were_only_assumed_is_shown_and_not_averaged():
    tables = evaluate([make_row(auroc=0.7), make_row(source="edos", auroc=0.1, negatives="its own, assumed")])
    assert "| 0.700 | 0.700 | 0.700 |" in tables["left-out-means"].markdown()
    assert "edos" in tables["left-out"].markdown()


def test_how_long_a_fold_was_trained_stands_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FIGURES", tmp_path)
    keep(tmp_path, "J", make_row(source="edos"), share=0.25)
    keep(tmp_path, "A")
    assert {fold: figures.share for fold, figures in read_folds(tmp_path).items()} == {"A": 1.0, "J": 0.25}
    runs = list(LeftOutRuns().measure(None))
    assert runs == [FoldRun("A", ("hatexplain", "sms_spam_collection"), 1.0), FoldRun("J", ("edos",), 0.25)]
    (table,) = LeftOutRuns().tables(Evaluation("val", {"left_out_runs": tuple(runs)}))
    assert table.markdown().splitlines()[2:] == [
        "| A | hatexplain, sms_spam_collection | 100 % |",
        "| J | edos | 25 % |",
    ]


def test_folds_that_were_not_run_are_said_to_be_missing():
    assert {table.markdown() for table in evaluate([]).values()} == {NOT_RUN}
