"""Hook of MkDocs: pages from the top of the repository link from there; in the site they lie beside the others."""

from __future__ import annotations

import re
from typing import Any

MOVED = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "SECURITY.md": "reporting.md",
    "models/MODEL_CARD.md": "model_card.md",
}
_LINK = re.compile(r"(?<=\]\()[^)#\s:]+")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links of pages that come from the top of the repository."""
    return _LINK.sub(_move, markdown) if page.file.src_uri in MOVED.values() else markdown


def _move(link: re.Match[str]) -> str:
    return MOVED.get(link[0], link[0].removeprefix("docs/"))
