"""The model card: markers for every table, and tables that come out the same each time."""

import json
import math

import numpy as np
import pytest

from engine.errors import SettingsError
from engine.schema import LABELS
from models.bias import BiasReport
from models.card import CARD_FILE, TABLES, fill_card, make_tables
from models.encode import Encoded
from models.evaluate import to_json
from models.evaluation import Evaluation
from models.functional import FunctionalReport
from models.intervals import NO_FIGURE, Figure
from models.label_figures import LabelReport, Scored
from models.obfuscation import Robustness
from models.origins import Origin
from models.rationales import EvidenceReport
from models.report_plots import draw_plots
from models.serving_cost import CostReport, measure_costs

pytestmark = pytest.mark.torch
FIGURE = Figure(0.5, 0.4, 0.6)


def make_label_report(source):
    return LabelReport("text", "hate", source, 7, 9, FIGURE, FIGURE, FIGURE, FIGURE, NO_FIGURE, 0.5, 0.6, math.nan)


def make_evaluation():
    return Evaluation(
        split="val",
        labels=(make_label_report("all"), make_label_report("one|two")),
        evidence=(EvidenceReport("token F1", 3, FIGURE, 0.25),),
        bias=(BiasReport("made", "age", 4, 5, FIGURE, FIGURE, FIGURE),),
        robustness=(Robustness("spacing", "en", "hate", 4, FIGURE, FIGURE, FIGURE, 0.9),),
        functional=(FunctionalReport("negation", False, 6, FIGURE),),
        costs=(CostReport("fusion", 1_200_000, 8, 1.0, 2.0),),
        origins=(
            Origin("text", "one", "CC0", "open", 10, 2),
            Origin("text", "two", "MIT", "open", 5, 1),
            Origin("text", "three", "CC-BY-NC-4.0", "nc", 8, 1),
        ),
    )


def test_the_card_has_a_marker_for_every_table():
    tables = dict.fromkeys(TABLES, "| filled |")
    assert fill_card(CARD_FILE.read_text("utf-8"), tables).count("| filled |") == len(TABLES)


def test_tables_are_made_alike_each_time_and_filling_twice_changes_nothing():
    tables = make_tables(make_evaluation())
    assert tuple(tables) == TABLES
    assert tables == make_tables(make_evaluation())
    once = fill_card(CARD_FILE.read_text("utf-8"), tables)
    assert fill_card(once, tables) == once


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
    part = Encoded(np.zeros((200, 4, 256), np.float32), scores, targets, np.ones_like(scores), targets, ["made"] * 200)
    scored = Scored("text", part, scores, scores, scores, np.arange(200) < 100)
    files = draw_plots(scored, tmp_path)
    assert [file.name for file in files] == ["pr-text.png", "reliability-text.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_models_that_are_not_exported_cost_nothing(tmp_path):
    assert measure_costs(tmp_path) == []
