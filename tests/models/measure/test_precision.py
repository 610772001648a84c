"""What labels lose in eight bits and in half precision."""

import numpy as np
import pytest
import torch

from sluice.schema import LABELS
from sluice_models.config import TextConfig, load_config
from sluice_models.data.bundle import Example
from sluice_models.measure.half_check import check_half_texts
from sluice_models.measure.precision import compare_forms
from sluice_models.measure.quantisation_check import check_quantisation
from sluice_models.training.checkpoint import build_text_encoder

pytestmark = pytest.mark.torch
TOXICITY = LABELS.index("toxicity")


def test_a_form_that_ranks_alike_loses_nothing_and_a_blurred_one_loses():
    rng = np.random.default_rng(0)
    single = rng.normal(size=(400, len(LABELS))).astype(np.float32)
    targets = np.full_like(single, np.nan)
    targets[:, TOXICITY] = single[:, TOXICITY] > 0.5
    (same,) = compare_forms("doubled", "text", targets, single, single * 2)
    assert (same.label, same.loss.value) == ("toxicity", 0)
    (worse,) = compare_forms("blurred", "text", targets, single, single + rng.normal(size=single.shape))
    assert worse.loss.low > 0.005
    assert worse.largest > 0.1


def test_a_model_that_is_not_exported_is_not_checked(tmp_path):
    assert check_quantisation(tmp_path / "model.onnx", []) == []


def test_half_precision_changes_scores_a_little_and_not_the_encoder_it_is_given():
    torch.manual_seed(0)
    encoder = build_text_encoder().eval()
    rows = []
    for number in range(20):
        targets = np.full(len(LABELS), np.nan, np.float32)
        targets[TOXICITY] = number % 2
        rows.append(Example(f"r-{number}", f"row {number} of these", None, "en", targets, "made"))
    (report,) = check_half_texts(encoder, rows, load_config("text_encoder", TextConfig).rows)
    assert (report.modality, report.label, report.n_positives) == ("text", "toxicity", 10)
    assert 0 < report.largest < 0.01
    assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}
