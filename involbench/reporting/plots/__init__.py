"""Plain data -> matplotlib figures, for the commands and for a notebook.

Every function takes names and numbers, and returns a `matplotlib.figure.Figure` or several by
name. Nothing is drawn on a screen, and the global state of pyplot is not used.

Example:
    >>> from involbench.reporting.plots import plot_seeds, save_figure
    >>> figure = plot_seeds({"cnn": [0.72, 0.71], "inn": [0.45, 0.44]}, chance=0.1)
    >>> save_figure(figure, Path("accuracy"), ["pdf"])
"""

from involbench.reporting.plots.figure import (  # Imports matplotlib, before all others.
    FORMATS,
    drawn,
    save_figure,
    styles_of,
)

# isort: split
from involbench.reporting.plots.axes import Point
from involbench.reporting.plots.history import plot_experiment, plot_run
from involbench.reporting.plots.images import (
    MOST_IMAGES,
    plot_images,
    plot_kernels,
    plot_pixel_kernels,
)
from involbench.reporting.plots.models import (
    MOST_DOTS,
    Time,
    plot_front,
    plot_parameters,
    plot_seeds,
    plot_sweep,
    plot_times,
)
from involbench.reporting.plots.predictions import (
    Bin,
    largest_difference,
    plot_calibration,
    plot_confusion,
    plot_confusion_difference,
)

__all__ = [
    "FORMATS",
    "MOST_DOTS",
    "MOST_IMAGES",
    "Bin",
    "Point",
    "Time",
    "drawn",
    "largest_difference",
    "plot_calibration",
    "plot_confusion",
    "plot_confusion_difference",
    "plot_experiment",
    "plot_front",
    "plot_images",
    "plot_kernels",
    "plot_parameters",
    "plot_pixel_kernels",
    "plot_run",
    "plot_seeds",
    "plot_sweep",
    "plot_times",
    "save_figure",
    "styles_of",
]
