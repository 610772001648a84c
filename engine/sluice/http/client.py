"""The clients: one that waits, one that is awaited."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx
import tenacity

from sluice.http.messages import PATH, make_options, read_verdicts, split, unreachable
from sluice.http.retries import Retries
from sluice.schema import Post, Verdict
from sluice.tracing import context_of_caller

TIMEOUT_S = 60.0


class Client:
    """Has posts scored over HTTP; may be used by several threads.

    Parameters
    ----------
    address : str
        Of the server, such as ``http://localhost:8080``.
    key : str or None
        Its API key.
    timeout_s : float
        Seconds until a request without an answer counts as failed.
    retries : Retries
    in_full : bool
        Whether all models read every text: for who cuts scores at thresholds of their own.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: Retries | None = None,
        *,
        in_full: bool = False,
    ) -> None:
        self._http = httpx.Client(**make_options(address, key, timeout_s, in_full))
        self._retrying = tenacity.Retrying(**(retries or Retries()).as_options())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def score(self, post: Post) -> Verdict:
        """Score one post; raises as `score_all` does."""
        return self.score_all([post])[0]

    def score_all(self, posts: Sequence[Post]) -> list[Verdict]:
        """Verdicts of posts, in their order; a request for each hundred.

        Raises
        ------
        ApiRefused
            The posts or the key are wrong.
        ApiUnavailable
            No answer, or none but to come back later, at every attempt.
        ApiLate
            A post's deadline passed first; holds what was scored by then.
        ApiError
            Anything else.
        """
        return [verdict for body in split(posts) for verdict in self._retrying(self._send, body)]

    def _send(self, body: bytes) -> tuple[Verdict, ...]:
        try:
            response = self._http.post(PATH, content=body, headers=context_of_caller())
        except httpx.TransportError as error:
            raise unreachable(error) from error
        return read_verdicts(response)


class AsyncClient:
    """Has posts scored over HTTP, in one event loop.

    Parameters
    ----------
    address, key, timeout_s, retries, in_full
        See `Client`.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: Retries | None = None,
        *,
        in_full: bool = False,
    ) -> None:
        self._http = httpx.AsyncClient(**make_options(address, key, timeout_s, in_full))
        self._retrying = tenacity.AsyncRetrying(**(retries or Retries()).as_options())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def score(self, post: Post) -> Verdict:
        """Score one post; raises as `Client.score_all` does."""
        return (await self.score_all([post]))[0]

    async def score_all(self, posts: Sequence[Post]) -> list[Verdict]:
        """Verdicts of posts, in their order; see `Client.score_all` for what it raises."""
        verdicts: list[Verdict] = []
        for body in split(posts):
            verdicts += await self._retrying(self._send, body)
        return verdicts

    async def _send(self, body: bytes) -> tuple[Verdict, ...]:
        try:
            response = await self._http.post(PATH, content=body, headers=context_of_caller())
        except httpx.TransportError as error:
            raise unreachable(error) from error
        return read_verdicts(response)
