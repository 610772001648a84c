"""For users' Python: have posts scored by a ``sluice serve``, synchronously or not. Needs the extra ``http-client``.

Examples
--------
>>> from sluice import Post
>>> from sluice.http import Client
>>> with Client("http://localhost:8080") as client:  # doctest: +SKIP
...     print(client.score(Post(id="p-1", text="See you at lunch")).decision)
allow
"""

from sluice.http.client import AsyncClient, Client
from sluice.http.errors import ApiError, ApiLate, ApiRefused, ApiUnavailable
from sluice.http.retries import Retries

__all__ = ["ApiError", "ApiLate", "ApiRefused", "ApiUnavailable", "AsyncClient", "Client", "Retries"]
