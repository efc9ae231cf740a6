"""Figures -> HTML: SVG inside the page, or a PNG where the SVG would be large."""

from base64 import b64encode
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

from involbench.reporting.plots import drawn
from involbench.reporting.style import INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LARGEST_SVG = 150_000
_AS_TEXT = {
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
    "savefig.transparent": True,
    "svg.fonttype": "none",
}
"""The page's background is seen, and text can be selected and is drawn in the reader's fonts."""
_LINK = "{http://www.w3.org/1999/xlink}href"


def inline(figure: "Figure", name: str, says: str) -> Markup:
    """An element that shows the figure.

    Args:
        figure: The figure.
        name: Unique on the page, since an id inside an SVG is one of the whole page.
        says: For who cannot see it.
    """
    svg = drawn(figure, "svg", _AS_TEXT)
    if len(svg) > _LARGEST_SVG:
        png = b64encode(drawn(figure, "png")).decode()
        width, height = (round(96 * inches) for inches in figure.get_size_inches())
        tag = '<img class="paper" src="data:image/png;base64,{}" width="{}" height="{}" alt="{}">'
        return Markup(tag).format(Markup(png), width, height, says)
    return Markup(_embedded(svg, name, says))


def _embedded(svg: bytes, name: str, says: str) -> str:
    """Without what belongs to a file of its own, and in the page's ink."""
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if not (element.text or "").strip():
            element.text = None
        element.tail = None
        _rename(element.attrib, name)
    width, height = (root.attrib.pop(side) for side in ("width", "height"))
    root.attrib |= {
        "role": "img",
        "aria-label": says,
        "style": f"aspect-ratio: {width[:-2]} / {height[:-2]}",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _rename(attributes: dict[str, str], name: str) -> None:
    if _LINK in attributes:
        attributes["href"] = attributes.pop(_LINK)
    for key, value in attributes.items():
        if key == "id":
            attributes[key] = f"{name}-{value}"
        elif key == "href" and value.startswith("#"):
            attributes[key] = f"#{name}-{value[1:]}"
        else:
            renamed = value.replace("url(#", f"url(#{name}-")
            attributes[key] = renamed.replace(INK, "var(--ink)")
