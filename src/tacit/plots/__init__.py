"""Pictures of records and samples, drawn on Figures and Axes that the caller gives."""

from tacit.plots.calibration import coverage, pit_histogram
from tacit.plots.candidates import MOST_CANDIDATES, candidate_dots, training_curve
from tacit.plots.data import Ellipse, PlotColumn, PlotData
from tacit.plots.heldout import heldout_dots
from tacit.plots.latents import image_grid, rate_bars
from tacit.plots.marginals import DRAWN_KINDS, marginal
from tacit.plots.pairs import ellipse_outline, pair_plot, telling_columns
from tacit.plots.predictions import conditional_density, fan_chart
from tacit.plots.records import figure, finite
from tacit.plots.restarts import restart_strip
from tacit.plots.selection import is_paired, selection_curve, selection_points
from tacit.plots.style import component_colour, new_figure, plain_settings, png

__all__ = [
    "DRAWN_KINDS",
    "MOST_CANDIDATES",
    "Ellipse",
    "PlotColumn",
    "PlotData",
    "candidate_dots",
    "component_colour",
    "conditional_density",
    "coverage",
    "ellipse_outline",
    "fan_chart",
    "figure",
    "finite",
    "heldout_dots",
    "image_grid",
    "is_paired",
    "marginal",
    "new_figure",
    "pair_plot",
    "pit_histogram",
    "plain_settings",
    "png",
    "rate_bars",
    "restart_strip",
    "selection_curve",
    "selection_points",
    "telling_columns",
    "training_curve",
]
