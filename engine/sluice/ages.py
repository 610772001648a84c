"""Ages as people write them: ``30m``, ``12h``, ``7d``, ``4w``."""

from __future__ import annotations

import re

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
PATTERN = rf"^[0-9]{{1,6}}[{''.join(UNITS_S)}]$"
_AGE = re.compile(PATTERN)


def parse_age(text: str) -> float:
    """Seconds, such as 604800 for ``7d``; raises `ValueError`."""
    if not _AGE.fullmatch(text):
        raise ValueError(f"{text!r} is no age: write 30m, 12h, 7d or 4w")
    return float(int(text[:-1]) * UNITS_S[text[-1]])
