"""The page of `involbench demo`, made with gradio and served to this machine only.

Nothing is loaded from another host. Images that are dropped are deleted when the server ends.
"""

import html
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from involbench.demo.networks import DemoNetworks, ImageView, NetworkView, Pixel
from involbench.errors import InvolbenchError, UsageError
from involbench.reporting.html import inline
from involbench.reporting.plots import plot_pixel_kernels
from involbench.reporting.plots.images import pillow_image
from involbench.results.arrays import ImageBatch
from involbench.text import excerpt

HOST = "127.0.0.1"
_SIDE = 320
"""Pixels that the longer side of the image has on the page, at least."""
_MARK = (224, 0, 122)
_CLASSES = 5
_LEAST_WIDTH = 300
"""Pixels of a column; narrower windows have them below each other."""
_MOST_UPLOADED = "50mb"
_DARK = 32
"""Pixels below this count as black."""
_CSS = """
.gradio-container { --ink: var(--body-text-color); }
h1 { overflow-wrap: anywhere; }
[role="tab"][aria-selected="true"] { color: var(--body-text-color) !important; }
.kernels svg { display: block; width: 100%; max-width: 27rem; height: auto; }
.kernels img.paper { max-width: 100%; height: auto; background: white; }
.pixels img { image-rendering: pixelated; }
.pixels .grid-container {
  grid-template-columns: repeat(auto-fill, minmax(3rem, 1fr));
  grid-auto-rows: max-content;
  align-content: start;
}
.pixels .thumbnail-item { height: auto; aspect-ratio: 1; border-radius: 0; }
"""
_INTRODUCTION = (
    "Choose a test image, upload one of yours or draw one. Click a pixel of the image to see the "
    "involution kernels there: of the trained network, and of the same network before training. "
    "Beside them is the sum of the kernel's values at every pixel."
)
_FONTS = ["system-ui", "sans-serif"]


def require_free_port(port: int) -> int:
    """The port, or any free one for 0. Raises UsageError if it cannot be used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"--port {port}: {error.strerror}; name another, or take any free one with --port 0"
            ) from error
        return int(probe.getsockname()[1])


@contextmanager
def serve(networks: DemoNetworks, tests: ImageBatch | None, note: str, port: int) -> Iterator[str]:
    """Serve the page for the length of a `with`, which gets its URL.

    Args:
        networks: The networks.
        tests: Test images to choose from.
        note: Why there are none; empty if there are.
        port: A free port.
    """
    with tempfile.TemporaryDirectory(prefix="involbench-") as uploads:
        os.environ |= {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": uploads,
            "HF_HUB_OFFLINE": "1",
            "NO_PROXY": ",".join(filter(None, (os.environ.get("NO_PROXY"), HOST))),
        }
        import gradio

        page = _page(gradio, networks, tests, note, Path(uploads))
        try:
            page.launch(
                server_name=HOST,
                server_port=port,
                share=False,
                prevent_thread_lock=True,
                quiet=True,
                max_file_size=_MOST_UPLOADED,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                theme=gradio.themes.Default(font=_FONTS, font_mono=["monospace"]),
                css=_CSS,
            )
            yield f"http://{HOST}:{port}/"
        finally:
            page.close(verbose=False)


class _Controls(NamedTuple):
    """What the user acts on."""

    gallery: Any
    """Of test images; None if there are none."""
    file: Any
    pad: Any
    inverted: Any
    classify: Any
    seen: Any
    """The image as the networks get it, to be clicked."""
    about: Any
    place: list[Any]
    """Row and column of the pixel."""


def _page(
    gr: Any, networks: DemoNetworks, tests: ImageBatch | None, note: str, uploads: Path
) -> Any:
    """The page: an image on the left, and a column for each network."""
    names, columns = [name for name, _ in networks.runs], []
    with gr.Blocks(title="involbench demo", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(f"# {' and '.join(names)}\n{_INTRODUCTION}")
        with gr.Row():
            with gr.Column(min_width=_LEAST_WIDTH):
                controls = _controls(gr, networks.facts.input_shape[:2], tests, note)
            for name in names:
                with gr.Column(min_width=_LEAST_WIDTH):
                    label = gr.Label(label=name, num_top_classes=_CLASSES)
                    columns += [label, gr.HTML(elem_classes="kernels")]
        _connect(gr, page, controls, columns, networks, tests, uploads)
    return page


def _controls(gr: Any, size: tuple[int, int], tests: ImageBatch | None, note: str) -> _Controls:
    gallery = None
    with gr.Tabs():
        with gr.Tab("Test images"):
            if tests is None:
                gr.Markdown(note)
            else:
                gallery = gr.Gallery(
                    [pillow_image(pixels) for pixels in tests.pixels],
                    height=220,
                    object_fit="contain",
                    allow_preview=False,
                    show_label=False,
                    buttons=[],
                    elem_classes="pixels",
                )
        with gr.Tab("Upload"):
            file = gr.File(label="PNG, JPEG, WebP or BMP, of any size")
        with gr.Tab("Draw"):
            pad = gr.Sketchpad(
                type="pil",
                layers=False,
                canvas_size=(_SIDE, _SIDE),
                placeholder="Choose the brush, then draw",
                show_label=False,
                buttons=[],
            )
            inverted = gr.Checkbox(tests is not None and _are_dark(tests), label="White on black")
            classify = gr.Button("Classify the drawing")
    seen = gr.Image(
        interactive=False,
        format="png",
        show_label=False,
        buttons=[],
        elem_classes="pixels",
        alt_text="The image, with the pixel marked",
    )
    about = gr.Markdown()
    with gr.Row():
        place = [
            gr.Number(
                side // 2, label=label, precision=0, minimum=0, maximum=side - 1, min_width=100
            )
            for label, side in zip(("Row", "Column"), size, strict=True)
        ]
    return _Controls(gallery, file, pad, inverted, classify, seen, about, place)


def _connect(
    gr: Any,
    page: Any,
    controls: _Controls,
    columns: list[Any],
    networks: DemoNetworks,
    tests: ImageBatch | None,
    uploads: Path,
) -> None:
    """Say what happens on each action."""
    place = controls.place
    chosen = gr.State(None if tests is None else _one(tests, 0))
    outputs = [chosen, controls.seen, controls.about, *place, *columns]

    def show(image: ImageBatch | str | None, row: int | None, column: int | None) -> list[Any]:
        if image is None or row is None or column is None:
            return [gr.skip()] * len(outputs)
        try:
            view = networks.view(image, (row, column))
        except InvolbenchError as error:
            raise gr.Error(html.escape(str(error)), print_exception=False) from error
        return _shown(view, networks.facts.class_names)

    def pick(at: gr.SelectData, row: int, column: int) -> list[Any]:
        assert tests is not None
        return show(_one(tests, at.index), row, column)

    def upload(path: str, row: int, column: int) -> list[Any]:
        return show(str(path), row, column)  # A class of gradio, which the worker would import.

    def click(at: gr.SelectData, image: ImageBatch) -> list[Any]:
        factor = _factor(*networks.facts.input_shape[:2])
        column, row = (int(offset) // factor for offset in at.index)
        return show(image, row, column)

    def draw(drawing: dict[str, Any], invert: bool, row: int, column: int) -> list[Any]:
        if drawing["composite"] is None:
            raise gr.Error("Nothing is drawn: choose the brush first", print_exception=False)
        return show(_saved(drawing["composite"], invert, uploads), row, column)

    options = {"outputs": outputs, "show_progress": "hidden", "api_visibility": "private"}
    page.load(show, [chosen, *place], **options)
    gr.on([each.input for each in place], show, [chosen, *place], **options)
    if controls.gallery is not None:
        controls.gallery.select(pick, place, **options)
    controls.file.upload(upload, [controls.file, *place], **options)
    controls.classify.click(draw, [controls.pad, controls.inverted, *place], **options)
    controls.seen.select(click, [chosen], **options)


def _one(images: ImageBatch, index: int) -> ImageBatch:
    """One image of many."""
    at = slice(index, index + 1)
    labels = None if images.labels is None else images.labels[at]
    return ImageBatch(images.names[at], images.pixels[at], labels)


def _are_dark(images: ImageBatch) -> bool:
    """Whether the corners of most images are black, as around white digits."""
    return float(np.median(images.pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]])) < _DARK


def _saved(drawing: Image.Image, invert: bool, folder: Path) -> str:
    """The path of a PNG file of a drawing on white, or inverted."""
    paper = Image.new("RGBA", drawing.size, "white")
    flat = Image.alpha_composite(paper, drawing.convert("RGBA")).convert("RGB")
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".png", delete=False) as file:
        (ImageOps.invert(flat) if invert else flat).save(file)
    return file.name


def _factor(height: int, width: int) -> int:
    """By how much the image is enlarged on the page."""
    return max(1, -(-_SIDE // max(height, width)))


def _marked(pixels: np.ndarray[Any, Any], pixel: Pixel) -> Image.Image:
    """The image, enlarged, with a frame around a pixel."""
    picture = pillow_image(pixels).convert("RGB")
    factor = _factor(picture.height, picture.width)
    large = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BOX)
    top, left = (place * factor for place in pixel)
    frame = left - 1, top - 1, left + factor, top + factor
    ImageDraw.Draw(large).rectangle(frame, outline=_MARK, width=2)
    return large


def _shown(view: ImageView, classes: Sequence[str]) -> list[Any]:
    """The values of the outputs of the page."""
    image = view.image
    about = "Your image"
    if image.labels is not None:
        about = f"Test image {image.names[0]}, true class: {excerpt(classes[image.labels[0]])}"
    columns = [
        value
        for index, network in enumerate(view.networks)
        for value in (network.probabilities, _kernels(network, view.pixel, f"network-{index}"))
    ]
    return [image, _marked(image.pixels[0], view.pixel), about, *view.pixel, *columns]


def _kernels(network: NetworkView, pixel: Pixel, key: str) -> str:
    """The kernels of a network at a pixel, beside its heat maps, as HTML."""
    if network.kernels is None or network.untrained is None:
        return "This network has no involution layer, so it generates no kernels."
    says = f"Kernels of {network.name} at row {pixel[0]}, column {pixel[1]}"
    size = network.kernels.images.pixels.shape[1:3]
    trained, untrained = (
        {layer.name: layer.kernels[0] for layer in maps.layers if layer.kernels is not None}
        for maps in (network.kernels, network.untrained)
    )
    sums = {layer.name: layer.sums[0] for layer in network.kernels.layers}
    return inline(plot_pixel_kernels(sums, trained, untrained, pixel, size), key, says)
