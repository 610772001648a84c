"""Elements of a page. Text and attributes are escaped by the standard library when the tree is written."""

from __future__ import annotations

from xml.etree import ElementTree as ET

Element = ET.Element
Child = Element | str | None


def make(tag: str, /, *children: Child, **attributes: str | int | float) -> Element:
    """An element with children; ``class_`` is the attribute ``class``, and underscores are hyphens."""
    named = {key.rstrip("_").replace("_", "-"): str(value) for key, value in attributes.items()}
    element = ET.Element(tag, named)
    for child in children:
        _append(element, child)
    return element


def _append(parent: Element, child: Child) -> None:
    if isinstance(child, str):
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + child
        else:
            parent.text = (parent.text or "") + child
    elif child is not None:
        parent.append(child)


def write(root: Element) -> str:
    """The page as HTML. What has no place in it (NUL, lone surrogates) becomes U+FFFD."""
    text = "<!doctype html>\n" + ET.tostring(root, encoding="unicode", method="html")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
