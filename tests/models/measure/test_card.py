"""The model card: markers for every table, and tables that come out the same each time."""

import json
import math

import numpy as np
import pytest

from sluice.errors import SettingsError
from sluice.intervals import NO_FIGURE, Figure
from sluice.schema import LABELS
from sluice_models.evaluate import to_json
from sluice_models.measure.bias import BiasRow
from sluice_models.measure.buried import BuriedRow
from sluice_models.measure.card import CARD_FILE, fill_card, make_tables
from sluice_models.measure.counterfactuals import SwapRow
from sluice_models.measure.everyday_alarms import AlarmRow
from sluice_models.measure.first_stage import ClearedRow, HalfRow, HardRow
from sluice_models.measure.folds import NOT_RUN, FoldRun
from sluice_models.measure.functional import OVER_FAMILIES, TEMPLATES, FunctionalRow
from sluice_models.measure.headlines import Headline
from sluice_models.measure.label_figures import LabelRow
from sluice_models.measure.mixtures import MixtureRow
from sluice_models.measure.obfuscation import ALL_TRICKS, RobustnessRow
from sluice_models.measure.origins import Origin
from sluice_models.measure.pair_figures import PairRow
from sluice_models.measure.precision import PrecisionRow
from sluice_models.measure.rationales import EvidenceRow
from sluice_models.measure.registry import REPORTS
from sluice_models.measure.report import Evaluation
from sluice_models.measure.report_plots import draw_plots, draw_training
from sluice_models.measure.scored_split import Scored
from sluice_models.measure.serving_cost import CostRow, measure_costs
from sluice_models.measure.source_figures import OWN_NEGATIVES, SourceRow
from sluice_models.measure.twins import TwinRow
from sluice_models.measure.unseen import FalseAlarmRow
from sluice_models.recipes.fusion.encoded import Encoded, one_row_each

pytestmark = pytest.mark.torch
FIGURE = Figure(0.5, 0.4, 0.6)
WORSE = Figure(-0.02, -0.03, -0.01)


def make_label_report(source, modality="text", gain=FIGURE):
    figures = FIGURE, FIGURE, FIGURE, FIGURE, NO_FIGURE
    return LabelRow(modality, "hate", source, 7, 9, *figures, 0.5, gain, 0.6, math.nan)


def make_source_report(source, auroc, modality="text"):
    return SourceRow(source, "en", "hate", OWN_NEGATIVES, 7, 9, Figure(auroc, 0.0, 1.0), FIGURE, modality)


def make_evaluation(**changes):
    reports = {
        "headlines": (Headline("accuracy", "rows", 3, FIGURE),),
        "labels": (make_label_report("all"), make_label_report("all", "image", WORSE), make_label_report("one|two")),
        "left_out": (make_source_report("one", 0.7), make_source_report("two", 0.9)),
        "left_out_runs": (FoldRun("A", ("one", "two"), 0.5),),
        "unseen": (make_source_report("never", 0.6, "image"),),
        "alarms": (FalseAlarmRow("audio", "never", "", 50, 0.04, 0.0),),
        "everyday_pictures": (AlarmRow("slides", "recorded", 60, 0.03, 0.0),),
        "everyday_sounds": (AlarmRow("doors", "recorded", 50, 0.02, 0.0),),
        "mixtures": (MixtureRow("gunshot", 0, 9, 9, 3, FIGURE, FIGURE),),
        "pairs": (PairRow("threat", 5, 6, 0.9, 0.7),),
        "evidence": (EvidenceRow("token F1", 3, FIGURE, 0.25),),
        "bias": (BiasRow("made", "age", 4, 5, FIGURE, FIGURE, FIGURE),),
        "swaps": (SwapRow("dialect, English", "African-American", 40, FIGURE, 0.1, 0.05),),
        "twins": (TwinRow("en", False, 30, 0.02, 0.1, 0.03, 0.2, 0.1),),
        "buried": (BuriedRow("en", 30, FIGURE, FIGURE, FIGURE, FIGURE, FIGURE),),
        "robustness": (
            RobustnessRow("spacing", "en", "hate", 4, FIGURE, FIGURE, FIGURE, 0.9, trained=True),
            RobustnessRow(ALL_TRICKS, "en", "hate", 4, FIGURE, FIGURE, FIGURE, 0.8),
        ),
        "functional": (
            FunctionalRow(TEMPLATES, "negation", False, 6, FIGURE),
            FunctionalRow(TEMPLATES, f"all hateful {OVER_FAMILIES}", True, 6, FIGURE),
        ),
        "precision": (
            PrecisionRow("int8", "text", "hate", 4, FIGURE, FIGURE, Figure(0.02, 0.01, 0.03), 0.125, FIGURE),
        ),
        "first_stage": (
            ClearedRow("hate", "all", 900, 9, 800, 0, 0, 0),
            ClearedRow("all", "en", 900, 9, 800, 0, 500, 200),
        ),
        "first_stage_hard": (HardRow("sentences of ours", 700, 1),),
        "first_stage_halves": (HalfRow(0, "de en", 400, 1, 250, 100, 90, 1),),
        "costs": (CostRow("fusion", 1_200_000, 8, 1.0, 2.0),),
        "origins": (
            Origin("text", "one", "CC0", "open", 10, 2),
            Origin("text", "two", "MIT", "open", 5, 1),
            Origin("text", "three", "CC-BY-NC-4.0", "nc", 8, 1),
        ),
    }
    return Evaluation("val", {**reports, **changes})


def test_the_card_has_a_marker_for_every_table():
    tables = dict.fromkeys(make_tables(make_evaluation()), "| filled |")
    assert fill_card(CARD_FILE.read_text("utf-8"), tables).count("| filled |") == len(tables)


def test_every_report_has_a_name_of_its_own_and_a_table():
    names = [report.name for report in REPORTS]
    assert len(set(names)) == len(names)
    assert set(names) == set(make_evaluation().rows)
    assert all(list(report.tables(make_evaluation())) for report in REPORTS)


def test_tables_are_made_alike_each_time_and_filling_twice_changes_nothing():
    tables = make_tables(make_evaluation())
    assert tables == make_tables(make_evaluation())
    once = fill_card(CARD_FILE.read_text("utf-8"), tables)
    assert fill_card(once, tables) == once


def test_every_row_of_a_table_has_as_many_cells_as_its_head():
    for name, table in make_tables(make_evaluation()).items():
        lines = table.splitlines()
        assert len(lines) > 2, name
        assert {line.count(" | ") for line in lines} == {lines[0].count(" | ")}, name


def test_folds_that_have_not_been_run_are_said_to_be_missing():
    tables = make_tables(make_evaluation(left_out=()))
    assert tables["left-out"] == tables["left-out-means"] == NOT_RUN
    assert "left out of training" not in tables["headlines"]


def test_the_mean_over_sources_leads_the_headlines():
    first = make_tables(make_evaluation())["headlines"].splitlines()[2]
    assert first.startswith("| English hate, AUROC | mean over sources, each left out of training | 2 | 0.800 [")


def test_what_loses_too_much_is_marked():
    tables = make_tables(make_evaluation())
    text, image = tables["fusion"].splitlines()[2:]
    assert text.endswith("| yes |")
    assert image.endswith("| **no** |")
    assert tables["precision"].splitlines()[-1].endswith("| **no** |")


def test_licence_classes_are_summed_and_what_is_not_used_has_no_row_of_its_own():
    tables = make_tables(make_evaluation())
    assert "| text | open | 15 | 3 | yes |" in tables["licences"]
    assert "| text | nc | 8 | 1 | no |" in tables["licences"]
    assert "three" not in tables["sources"]


def test_a_bar_in_a_name_does_not_break_the_table():
    row = make_tables(make_evaluation())["by-source"].splitlines()[-1]
    assert row.startswith("| text | hate | one/two | 7 | 9 | 0.500 [0.400, 0.600] |")
    assert row.endswith("| – |")


def test_a_card_without_a_tables_marker_is_refused():
    with pytest.raises(SettingsError, match="labels"):
        fill_card("no markers", {"labels": ""})


def test_figures_that_are_not_defined_are_null_in_json():
    label = json.loads(to_json(make_evaluation()))["labels"][0]
    assert label["ece"] == {"value": None, "low": None, "high": None}
    assert label["block"] is None


def test_plots_are_pictures(tmp_path):
    scores = np.random.default_rng(0).random((200, len(LABELS)), np.float32)
    targets = np.where(np.arange(len(LABELS)) < 2, np.round(scores), np.nan).astype(np.float32)
    part = Encoded(
        *one_row_each(np.zeros((200, 4, 256))), scores, targets, np.ones_like(scores), targets, ["made"] * 200
    )
    scored = Scored("text", part, scores, scores, scores)
    files = draw_plots(scored, tmp_path)
    assert [file.name for file in files] == ["pr-text.png", "reliability-text.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_models_that_are_not_exported_cost_nothing(tmp_path):
    assert measure_costs(tmp_path) == []


def test_training_curves_are_drawn_where_training_left_them(tmp_path):
    assert draw_training(tmp_path, tmp_path / "report") is None
    (tmp_path / "fusion.curve.json").write_text("[1.0, 0.5, 0.4]")
    (tmp_path / "words.curve.json").write_text("[]")
    file = draw_training(tmp_path, tmp_path / "report")
    assert file.name == "training.png"
    assert file.read_bytes().startswith(b"\x89PNG")
