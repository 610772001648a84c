"""What labels lose in eight bits."""

import numpy as np
import pytest

from sluice.schema import LABELS
from sluice_models.measure.precision import compare_forms
from sluice_models.measure.quantisation_check import check_quantisation

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
    (sure,) = compare_forms("sure", "text", targets, single, 20 * (single - 0.5))
    assert sure.calibration.value < 0.05 < min(same.calibration.value, worse.calibration.value)


def test_a_model_that_is_not_exported_is_not_checked(tmp_path):
    assert check_quantisation(tmp_path / "model.onnx", []) == []
