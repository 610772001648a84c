"""What runs all parts or folds starts each with the options that it was given itself."""

import io

import pytest
from rich.console import Console

from sluice_models import leave_out, train
from sluice_models.training.parallel_jobs import JobFailed

pytestmark = pytest.mark.torch


@pytest.fixture
def console():
    return Console(file=io.StringIO())


def test_a_part_says_that_its_bundle_is_missing(tmp_path, console):
    with pytest.raises(JobFailed, match=r"ended with 1: error: --bundle: .*no_bundle"):
        train.train_all(tmp_path / "no_bundle", tmp_path / "runs", 0.01, console)


def test_a_fold_says_that_its_bundle_is_missing(tmp_path, console):
    with pytest.raises(JobFailed, match=r"ended with 1: error: --bundle: .*no_bundle"):
        leave_out.run_all(tmp_path / "no_bundle", tmp_path / "runs", 0.01, tmp_path / "figures", console)
