"""For users' Python: publish posts with media by reference, and read what came of them.

`sluice` shows an example.
"""

from sluice.client.decisions import DecisionPublisher
from sluice.client.inline_media import INLINE_LIMIT_BYTES, move_inline_media
from sluice.client.outcomes import CORRELATION_HEADER, Outcome, Outcomes, open_topic
from sluice.client.publisher import Publisher, read_key
from sluice.client.redrive import Redrive
from sluice.client.reports import Report, ReportPublisher
from sluice.client.window import Settled, Window, WindowedPublisher
from sluice.kafka import MAX_MESSAGE_BYTES

__all__ = [
    "CORRELATION_HEADER",
    "INLINE_LIMIT_BYTES",
    "MAX_MESSAGE_BYTES",
    "DecisionPublisher",
    "Outcome",
    "Outcomes",
    "Publisher",
    "Redrive",
    "Report",
    "ReportPublisher",
    "Settled",
    "Window",
    "WindowedPublisher",
    "move_inline_media",
    "open_topic",
    "read_key",
]
