"""Floods, at a size for every day: the worker and its children stay under the memory that they were given."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.local.triton import TritonServer
from sluice.memory_plan import MemoryPlan
from tests.integration.floods import endless_files, large_pictures, late_media, open_bench, slow_hosts

pytestmark = pytest.mark.integration

SCALE = 1 / 32


def test_floods_stay_under_the_limit(tmp_path: Path, triton_server: TritonServer) -> None:
    with open_bench(tmp_path, triton_server.address) as bench:
        for flood in (large_pictures, late_media, endless_files, slow_hosts):
            report = flood(bench, SCALE)
            assert report.n_outcomes == report.n_posts, report.name
            assert report.peak_mb < MemoryPlan.total_mb, report.name
            assert report.texts_ms, report.name
