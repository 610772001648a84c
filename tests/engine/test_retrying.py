"""Trying again: as tenacity counts it, and without it where the first try succeeds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tenacity

from sluice.retrying import keep_trying


class Trier:
    """Fails so many times, and then succeeds."""

    def __init__(self, n_failures: int, error: type[Exception] = OSError) -> None:
        self.n_tries = 0
        self.n_made = 0
        self._n_failures = n_failures
        self._error = error

    async def attempt(self) -> int:
        self.n_tries += 1
        if self.n_tries <= self._n_failures:
            raise self._error("again")
        return self.n_tries

    def attempts(self) -> tenacity.AsyncRetrying:
        self.n_made += 1
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(OSError), stop=tenacity.stop_after_attempt(3), reraise=True
        )

    async def run(self, attempts: Callable[[], tenacity.AsyncRetrying] | None = None) -> int:
        return await keep_trying(self.attempt, attempts or self.attempts)


async def test_the_first_try_costs_nothing_else() -> None:
    trier = Trier(n_failures=0)
    assert await trier.run() == 1
    assert trier.n_made == 0


async def test_all_tries_are_counted_and_the_last_error_is_raised() -> None:
    trier = Trier(n_failures=2)
    assert await trier.run() == 3
    assert trier.n_made == 1
    hopeless = Trier(n_failures=9)
    with pytest.raises(OSError, match="again"):
        await hopeless.run()
    assert hopeless.n_tries == 3


async def test_another_error_is_raised_at_once() -> None:
    trier = Trier(n_failures=1, error=ValueError)
    with pytest.raises(ValueError, match="again"):
        await trier.run()
    assert trier.n_tries == 1


async def test_what_is_done_before_a_further_try_hears_of_the_first_failure() -> None:
    seen: list[BaseException | None] = []

    def attempts() -> tenacity.AsyncRetrying:
        return tenacity.AsyncRetrying(
            before_sleep=lambda state: seen.append(state.outcome and state.outcome.exception())
        )

    assert await Trier(n_failures=1).run(attempts) == 2
    assert [type(error) for error in seen] == [OSError]
