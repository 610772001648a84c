"""Posts sent to a worker that is scripted, over the embedded broker."""

import pytest

from sluice.client import Outcomes, Publisher, WindowedPublisher


@pytest.fixture
def exchange(kafka):
    with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:
        yield WindowedPublisher(publisher, outcomes)
