"""What a client raises.

```text
SluiceError
└── ApiError            the answer holds no verdict; has status, code and detail
    ├── ApiRefused      the request or its key is wrong
    ├── ApiUnavailable  no answer, or none but to come back later
    └── ApiLate         a deadline passed first; holds what was scored by then
```
"""

from __future__ import annotations

from collections.abc import Sequence

from sluice.errors import SluiceError
from sluice.schema import Verdict


class ApiError(SluiceError):
    """A server's answer over HTTP holds no verdict.

    Parameters
    ----------
    status : int
        Of HTTP; 0 where there was no answer.
    code : str
        The server's, or ``unexpected``, ``unreachable``.
    detail : str
        One line for people, without content.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


class ApiRefused(ApiError):
    """The request or its key is wrong: it will be refused again."""


class ApiUnavailable(ApiError):
    """No answer, or none but to come back later.

    Parameters
    ----------
    status, code, detail
        See `ApiError`.
    retry_after_s : float or None
        Seconds after which the server asked to be called again.
    """

    def __init__(self, status: int, code: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(status, code, detail)
        self.retry_after_s = retry_after_s


class ApiLate(ApiError):
    """A post's deadline passed before every part was scored.

    Parameters
    ----------
    status, code, detail
        See `ApiError`.
    verdicts : sequence of Verdict
        Of every post of the request, with what was scored by then.
    """

    def __init__(self, status: int, code: str, detail: str, verdicts: Sequence[Verdict]) -> None:
        super().__init__(status, code, detail)
        self.verdicts = verdicts
