"""SVG pictures as files and as parts of a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

# A picture takes the colour of the text around it; alone it has this one.
GROUND = ' style="color: #222; background: #fff"'


def cleaned(text: str, name: str) -> str:
    """The ``<svg>`` element with no declarations before it and no metadata in it.

    Raises:
        ValueError: it is not well-formed, or has a script, or would ask for something elsewhere.
    """
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text[max(text.find("<svg"), 0) :], flags=re.S)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"{name}: expected one <svg> element: {error}") from None
    for element in root.iter():
        tag = element.tag.rpartition("}")[2]
        if tag in ("script", "foreignObject", "image"):
            raise ValueError(f"{name}: expected no <{tag}>")
        for attribute, value in element.attrib.items():
            attribute = attribute.rpartition("}")[2]
            if attribute.startswith("on") or (attribute == "href" and not value.startswith("#")):
                raise ValueError(f"{name}: expected no script or address, got {attribute}={value}")
    return text


def in_a_file(text: str) -> str:
    """The element, readable on any ground."""
    return text.replace("<svg", f"<svg{GROUND}", 1)


def from_a_file(text: str) -> str:
    """What ``in_a_file`` was given."""
    return text.replace(GROUND, "", 1)


def in_a_page(text: str, name: str) -> str:
    """The element for HTML, its ids apart from those of other pictures."""
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    for before in (' id="', 'href="#', "url(#"):
        text = text.replace(before, f"{before}{name}-")
    return text
