"""Reports from users, published."""

from __future__ import annotations

import pytest

from sluice.client import Report, ReportPublisher
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable


def test_a_report_that_nobody_takes_is_an_error() -> None:
    with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1 did not take a report"):
        ReportPublisher(KafkaConfig("127.0.0.1:1"), 0.3).publish(Report(author_id="u"))


def test_every_report_has_an_id_of_its_own() -> None:
    assert Report(author_id="u").id != Report(author_id="u").id
