"""A page taken apart, as a browser would: elements with their attributes, and the text in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

#: Elements without an end.
VOID = {"meta", "img", "br", "input", "link", "hr"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str | None]
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text below it; white space as a reader sees it."""
        return " ".join("".join(self.pieces).split())

    def all(self, name: str | None = None, **attributes: str) -> list[Element]:
        """Return the elements below it, by name and by what their attributes hold."""
        found = []
        for child in self.children:
            wanted = all(
                value in (child.attributes.get(key.rstrip("_")) or "").split() for key, value in attributes.items()
            )
            found += [child] * ((name is None or child.name == name) and wanted)
            found += child.all(name, **attributes)
        return found

    def one(self, name: str | None = None, **attributes: str) -> Element:
        (found,) = self.all(name, **attributes)
        return found


class Reader(HTMLParser):
    """Builds the tree, and refuses elements that are not closed where they should be."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.at = Element("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, dict(attrs), self.at)
        assert len(made.attributes) == len(attrs), f"an attribute twice: {tag} {attrs}"
        self.at.children.append(made)
        if tag not in VOID:
            self.at = made

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.at.children.append(Element(tag, dict(attrs), self.at))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.at.name, f"</{tag}> ends <{self.at.name}>"
        assert self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        at: Element | None = self.at
        while at is not None:
            at.pieces.append(data)
            at = at.parent


def parsed(html: str) -> Element:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.at is reader.root, f"<{reader.at.name}> is not closed"
    return reader.root
