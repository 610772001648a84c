"""The shapes that plans are built for, and random rows of such shapes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract import MODALITIES, SPECS, USUAL_BATCH, Axis, Size
from sluice.errors import SluiceError
from sluice_models.config import MODEL_NAMES
from sluice_models.plans.profiles import PROFILES, SAMPLE_IDS, PlanError, describe_profile, sample_rows

ALL_INPUTS = {name: [tensor.name for tensor in SPECS[name].inputs] for name in MODEL_NAMES}
names = st.sampled_from(MODEL_NAMES)
sizes = st.sampled_from(list(Size))


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_profile_spans_from_one_row_to_the_largest_batch(name) -> None:
    for smallest, usual, largest in PROFILES[name].values():
        assert (smallest[0], usual[0], largest[0]) == (1, USUAL_BATCH, SPECS[name].max_rows)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_fixed_axes_stay_fixed_and_others_span_what_the_contract_allows(name) -> None:
    for tensor in SPECS[name].inputs:
        smallest, usual, largest = PROFILES[name][tensor.name]
        for place, axis in enumerate(tensor.shape, 1):
            found = (smallest[place], usual[place], largest[place])
            assert found == (axis.sizes if isinstance(axis, Axis) else (axis,) * 3)


def test_a_model_that_lacks_an_input_of_ours_has_no_shapes_for_it() -> None:
    first, *others = ALL_INPUTS["fusion"]
    assert list(describe_profile("fusion", others)) == others
    assert first not in describe_profile("fusion", others)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_an_input_of_somebody_else_is_named_beside_ours(name) -> None:
    with pytest.raises(PlanError, match=rf"{name} has the inputs \['surprise'\].*{ALL_INPUTS[name][0]}"):
        describe_profile(name, [*ALL_INPUTS[name], "surprise"])


def test_a_plan_error_is_one_of_ours() -> None:
    assert issubclass(PlanError, SluiceError)


@given(names, sizes, st.integers(1, 5), st.integers(0, 100))
def test_rows_have_the_shapes_and_values_that_the_models_take(name, size, n_rows, seed) -> None:
    rows = sample_rows(name, ALL_INPUTS[name], n_rows, size, seed)
    for tensor, array in rows.items():
        assert array.shape == (n_rows, *PROFILES[name][tensor][size][1:])
        assert _is_possible(tensor, array), tensor


def _is_possible(tensor: str, array: np.ndarray) -> bool:
    if tensor.endswith("_mask"):
        lengths = array.sum(axis=1)
        ones_first = np.arange(array.shape[1]) < lengths[:, None]
        return bool((lengths >= 1).all() and (array == ones_first).all())
    if tensor.endswith("_ids"):
        return bool(array.min() >= SAMPLE_IDS[0] and array.max() < SAMPLE_IDS[1])
    if tensor == "kind":
        return bool(array.min() >= 0 and array.max() < len(MODALITIES))
    if tensor == "log_mel":
        return bool(np.abs(array).max() <= 1)
    return bool(np.isfinite(array).all())


@given(names, st.integers(0, 1000))
def test_a_seed_gives_the_same_rows_each_time_and_another_others(name, seed) -> None:
    first, again, other = (sample_rows(name, ALL_INPUTS[name], 2, seed=each) for each in (seed, seed, seed + 1))
    assert all(np.array_equal(first[tensor], again[tensor]) for tensor in first)
    assert any(not np.array_equal(first[tensor], other[tensor]) for tensor in first)


def test_some_rows_are_padded_so_that_a_mask_is_put_to_the_test() -> None:
    for name, inputs in ALL_INPUTS.items():
        rows = sample_rows(name, inputs, 16)
        for tensor in (each for each in inputs if each.endswith("mask")):
            assert 0 < rows[tensor].mean() < 1, (name, tensor)


def test_they_are_described_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import sluice_models.plans.profiles"
    subprocess.run([sys.executable, "-c", code], check=True)
