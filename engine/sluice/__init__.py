"""Sluice: streaming multimodal content moderation.

The names below are what users' Python needs. They are imported when they are first asked for: the models inside Triton
import this package too, where Kafka's libraries are missing.

Examples
--------
>>> from sluice import Outcomes, Post, Publisher, find_connection
>>> kafka = find_connection().kafka
>>> with Outcomes(kafka) as outcomes, Publisher(kafka) as publisher:  # doctest: +SKIP
...     publisher.publish(Post(id="p-1", text="hello"))
...     publisher.flush()
...     for outcome in outcomes.follow():
...         print(outcome.key, outcome.value)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluice.client import (
        DecisionPublisher,
        Outcome,
        Outcomes,
        Publisher,
        Redrive,
        Report,
        ReportPublisher,
        WindowedPublisher,
    )
    from sluice.config import KafkaConfig, Topics
    from sluice.connection import Connection, find_connection
    from sluice.errors import SluiceError
    from sluice.human_decision import HumanDecision
    from sluice.media.store import MediaStore, open_store
    from sluice.schema import (
        CUES,
        HARMS,
        LABELS,
        AudioEvidence,
        DetectedLanguage,
        Evidence,
        ImageEvidence,
        Media,
        Post,
        Reason,
        TextEvidence,
        Verdict,
        decode_verdict,
    )

__version__ = "0.1.0"

_HOMES = {
    "sluice.client": (
        "DecisionPublisher", "Outcome", "Outcomes", "Publisher", "Redrive", "Report", "ReportPublisher",
        "WindowedPublisher",
    ),
    "sluice.config": ("KafkaConfig", "Topics"),
    "sluice.connection": ("Connection", "find_connection"),
    "sluice.errors": ("SluiceError",),
    "sluice.human_decision": ("HumanDecision",),
    "sluice.media.store": ("MediaStore", "open_store"),
    "sluice.schema": (
        "CUES", "HARMS", "LABELS", "AudioEvidence", "DetectedLanguage", "Evidence", "ImageEvidence", "Media", "Post",
        "Reason", "TextEvidence", "Verdict", "decode_verdict",
    ),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "CUES",
    "HARMS",
    "LABELS",
    "AudioEvidence",
    "Connection",
    "DecisionPublisher",
    "DetectedLanguage",
    "Evidence",
    "HumanDecision",
    "ImageEvidence",
    "KafkaConfig",
    "Media",
    "MediaStore",
    "Outcome",
    "Outcomes",
    "Post",
    "Publisher",
    "Reason",
    "Redrive",
    "Report",
    "ReportPublisher",
    "SluiceError",
    "TextEvidence",
    "Topics",
    "Verdict",
    "WindowedPublisher",
    "__version__",
    "decode_verdict",
    "find_connection",
    "open_store",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sluice' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
