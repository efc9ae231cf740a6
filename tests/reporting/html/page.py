"""A report, strictly parsed: browsers forgive what tests must not."""

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input"}
ADDRESSES = {"href", "src", "xlink:href", "srcset", "action", "poster", "data", "background"}


@dataclass
class Node:
    """An element."""

    tag: str
    attributes: dict[str, str]
    parts: list["Node | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything in it that is no markup, blanks run together."""
        return " ".join("".join(self._pieces()).split())

    def all(self, tag: str) -> list["Node"]:
        """The elements of this kind below it, in order."""
        inside = [part for part in self.parts if isinstance(part, Node)]
        return [found for part in inside for found in ([part] * (part.tag == tag) + part.all(tag))]

    def every(self) -> list["Node"]:
        """All elements below it."""
        inside = [part for part in self.parts if isinstance(part, Node)]
        return [found for part in inside for found in (part, *part.every())]

    def _pieces(self) -> list[str]:
        return [
            piece
            for part in self.parts
            for piece in ([part] if isinstance(part, str) else [" ", *part._pieces(), " "])
        ]


class Page(HTMLParser):
    """A document; what is not closed, or closed twice, is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Node("", {})
        self._open = [self.root]
        self.feed(text)
        self.close()
        assert self._open == [self.root], f"never closed: {self._open[-1].tag}"
        ids = Counter(node.attributes["id"] for node in self.every() if "id" in node.attributes)
        assert [name for name, times in ids.items() if times > 1] == []

    def every(self) -> list[Node]:
        return self.root.every()

    def all(self, tag: str) -> list[Node]:
        return self.root.all(tag)

    def by_id(self, name: str) -> Node:
        (found,) = (node for node in self.every() if node.attributes.get("id") == name)
        return found

    def addresses(self) -> list[tuple[Node, str]]:
        """Whatever a browser could load or go to."""
        return [
            (node, value)
            for node in self.every()
            for key, value in node.attributes.items()
            if key in ADDRESSES
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {key: value or "" for key, value in attrs})
        assert len(node.attributes) == len(attrs), f"an attribute twice: {tag}"
        self._open[-1].parts.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert (self._open[-1].tag != "" and any(node.tag == "svg" for node in self._open)) or (
            tag == "svg"
        ), f"only an element of an SVG closes itself: {tag}"
        self._open[-1].parts.append(Node(tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"{self._open[-1].tag} closed by {tag}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].parts.append(data)


def table_rows(table: Node) -> list[dict[str, str | float]]:
    """Column -> the number, or the text where it is none."""
    titles = [cell.text for cell in table.all("thead")[0].all("th")]
    return [
        dict(zip(titles, map(_cell, _cells(row)), strict=True))
        for row in table.all("tbody")[0].all("tr")
    ]


def _cells(row: Node) -> list[Node]:
    return [part for part in row.parts if isinstance(part, Node) and part.tag in ("th", "td")]


def _cell(cell: Node) -> str | float:
    numbers = cell.all("data")
    return float(numbers[0].attributes["value"]) if numbers else cell.text
