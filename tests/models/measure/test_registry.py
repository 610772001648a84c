"""Every report of the registry, measured by tiny models on the miniature bundle, up to the filled card."""

import math
from dataclasses import asdict
from io import StringIO

import pytest
import torch
from rich.console import Console

from sluice.intervals import Figure
from sluice.schema import LABELS
from sluice_models.config import AudioNetwork, FusionNetwork
from sluice_models.measure import (
    buried,
    everyday_pictures,
    everyday_sounds,
    first_stage,
    functional,
    mixtures,
    pair_figures,
    reduced_forms,
    serving_cost,
)
from sluice_models.measure.card import CARD_FILE, fill_card, make_tables
from sluice_models.measure.context import EvaluationContext, Models
from sluice_models.measure.evaluation import evaluate_all
from sluice_models.measure.registry import REPORTS
from sluice_models.networks.audio import AudioEncoder
from sluice_models.networks.fusion import Fusion
from sluice_models.networks.two_towers import TwoTowers
from sluice_models.recipes.image import pictures as picture_rows
from sluice_models.training import bundle_encoding
from tests.models.tiny_networks import IMAGE, OWN

pytestmark = pytest.mark.torch
MEASURED = {
    "origins", "labels", "left_out", "left_out_runs", "everyday_pictures", "everyday_sounds", "mixtures", "pairs",
    "swaps", "twins", "buried", "functional",
}  # fmt: skip
"""What the miniature has rows for, and the folds that are kept: no model was exported; it holds no votes, identities,
marks or other terms, and too few rows for tricks."""


@pytest.fixture(scope="module")
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_encoding, "N_SYNTHETIC", 3)
        patch.setattr(picture_rows, "N_DRAWN", {"train": 4, "val": 2})
        patch.setattr(everyday_pictures, "N_PAGES", 4)
        patch.setattr(everyday_sounds, "N_MADE", 4)
        patch.setattr(mixtures, "N_MIXTURES", 4)
        patch.setattr(buried, "PER_LANGUAGE", 1)
        patch.setattr(mixtures, "SNRS_DB", (0, 20))
        patch.setattr(pair_figures, "N_MEASURED", 200)
        patch.setattr(functional, "N_FILLED", 120)
        yield patch


@pytest.fixture(scope="module")
def context(bundle, scorer, few, tmp_path_factory):
    torch.manual_seed(0)
    runs = tmp_path_factory.mktemp("runs")
    for module in (first_stage, reduced_forms, serving_cost):
        few.setattr(module, "TRITON_REPO", runs)
    context = EvaluationContext(bundle, runs, "val", n_obfuscated=8)
    image, audio = TwoTowers(IMAGE, OWN), AudioEncoder(AudioNetwork(channels=(4, 4, 8, 8)))
    fusion = Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32))
    fusion.shift -= 20  # nothing is flagged: evidence is looked for in flagged texts alone
    context.models = Models(scorer._encoder, image.eval(), audio.eval(), fusion.eval())
    return context


@pytest.fixture(scope="module")
def said():
    return StringIO()


@pytest.fixture(scope="module")
def evaluation(context, said):
    return evaluate_all(context, Console(file=said, width=100), REPORTS)


def test_every_report_is_measured_and_says_so(evaluation, said):
    assert list(evaluation.rows) == [report.name for report in REPORTS]
    for report in REPORTS:
        assert report.title in said.getvalue()


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_what_the_bundle_has_rows_for_is_measured_and_nothing_else(evaluation, report):
    assert bool(evaluation.rows[report.name]) == (report.name in MEASURED)


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_every_row_has_a_cell_under_each_heading(evaluation, report):
    for table in report.tables(evaluation):
        if lines := table.markdown().splitlines()[2:]:
            assert {line.count(" | ") for line in lines} == {len(table.columns) - 1}
            assert not any("Figure(" in line or "nan" in line for line in lines)


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_an_interval_lies_around_its_figure(evaluation, report):
    for row in evaluation.rows[report.name]:
        for figure in vars(row).values():
            if isinstance(figure, Figure) and not math.isnan(figure.value):
                assert figure.low <= figure.high
                assert figure.low >= -1
                assert figure.high <= 1


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_no_row_is_there_twice(evaluation, report):
    rows = [str(asdict(row)) for row in evaluation.rows[report.name]]
    assert len(set(rows)) == len(rows)


def test_labels_are_those_that_are_annotated(evaluation):
    found = {(row.modality, row.label) for row in evaluation.rows["labels"]}
    assert {("text", "threat"), ("text", "toxicity"), ("image", "weapons"), ("audio", "scream")} & found
    assert {label for _, label in found} <= set(LABELS)
    assert ("text", "weapons") not in found  # a text shows none


def test_sources_are_counted_by_split(evaluation):
    assert {(row.modality, row.n_train, row.n_val) for row in evaluation.rows["origins"]} == {
        ("text", 100, 100),
        ("image", 12, 12),
        ("audio", 12, 12),
    }


def test_the_card_is_filled_out_of_it(evaluation):
    card = fill_card(CARD_FILE.read_text("utf-8"), make_tables(evaluation))
    assert "| text | open | 100 | 100 | yes |" in card
