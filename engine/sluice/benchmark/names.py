"""What the command line calls the sets; apart from what they need, so that ``sluice --help`` waits for nothing."""

from __future__ import annotations

from enum import StrEnum


class SetName(StrEnum):
    """A public test set."""

    hatecheck = "hatecheck"
    multilingual_hatecheck = "multilingual-hatecheck"
    openai = "openai"
    toxicchat = "toxicchat"
    xstest = "xstest"
    cold = "cold"
    chineseharm = "chineseharm"
