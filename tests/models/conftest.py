"""Tests of the training side need the training extra; without it they are left out, and said to be."""

import importlib.util
import os

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None

if not HAS_TORCH:
    if os.environ.get("CI") == "true":
        raise RuntimeError("tests/models needs the training extra: pip install -e .[train]")
    collect_ignore_glob = ["test_*.py"]


def pytest_terminal_summary(terminalreporter):
    if not HAS_TORCH:
        terminalreporter.write_line("tests/models left out: the training extra (torch) is not installed")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    if HAS_TORCH:
        import torch

        torch.set_num_threads(1)
