"""Which models a server has: some a worker can do without."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.config import InferenceConfig
from sluice.contract import ModelSpec
from sluice.errors import InferenceError, InferenceUnavailable
from sluice.inference.connection import CONNECT_S, Connection


async def find_missing(config: InferenceConfig, models: Sequence[ModelSpec]) -> list[str]:
    """Names of those models that the server's repository lacks; all of them, if the server cannot tell.

    Raises
    ------
    InferenceUnavailable
        The server cannot be reached.
    """
    connection = Connection(config, "the model repository")
    try:
        there = await connection.list_models(2 * CONNECT_S)
    except InferenceUnavailable:
        raise
    except InferenceError:
        there = set()
    finally:
        await connection.close()
    return [model.name for model in models if model.name not in there]
