import pytest

from tests.engine.decoding.fuzz import run


@pytest.mark.no_cover
async def test_mutated_media_have_their_outcome_and_crash_nothing() -> None:
    report = await run(400, seed=7)
    assert report.outcomes.total() == 400
    assert report.outcomes["decoder"] == 0
    assert min(report.outcomes[kind] for kind in ("ok", "partial", "truncated", "not_image", "not_audio")) > 0
