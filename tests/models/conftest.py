"""Tests of the training side need the training extra; without it they are left out, and said to be."""

import importlib.util
import os

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None

if not HAS_TORCH:
    if os.environ.get("CI") == "true":
        raise RuntimeError("tests/models needs the training extra: pip install -e .[train]")
    collect_ignore_glob = ["*"]


def pytest_terminal_summary(terminalreporter):
    if not HAS_TORCH:
        terminalreporter.write_line("tests/models left out: the training extra (torch) is not installed")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    if HAS_TORCH:
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def scorer():
    """Untrained models for which no text is anything."""
    import torch

    from sluice_models.config import FusionNetwork, TextNetwork
    from sluice_models.measure.score_texts import TextScorer
    from sluice_models.networks.fusion import Fusion
    from sluice_models.networks.text import TextEncoder

    torch.manual_seed(0)
    network = TextNetwork(d_hidden=24, d_inner=48, n_layers=1, n_heads=2, n_positions=128)
    encoder, fusion = TextEncoder(network, 100_000), Fusion(FusionNetwork(n_layers=1, n_heads=2, d_inner=32))
    fusion.shift -= 20
    return TextScorer(encoder.eval(), fusion.eval())


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """A miniature of the training bundle, to read from only."""
    from tests.models.adopting.miniatures import save_bundle

    return save_bundle(tmp_path_factory.mktemp("bundle"))
