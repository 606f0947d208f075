"""Pictures of records and samples, drawn on Figures and Axes that the caller gives."""

from tacit.plots.bounds import bound_curve, bound_parts
from tacit.plots.calibration import coverage, pit_histogram
from tacit.plots.candidates import MOST_CANDIDATES, candidate_dots, training_curve
from tacit.plots.data import Ellipse, PlotColumn, PlotData, Walk
from tacit.plots.heldout import heldout_dots
from tacit.plots.latent_plane import moving_columns, plane_cells, walk_images, walk_maps
from tacit.plots.latents import image_grid, rate_bars
from tacit.plots.marginals import DRAWN_KINDS, marginal
from tacit.plots.pairs import ellipse_outline, pair_plot, telling_columns
from tacit.plots.predictions import conditional_density, fan_chart
from tacit.plots.records import figure, finite
from tacit.plots.restarts import restart_strip
from tacit.plots.returned import image_pairs, returned_cells
from tacit.plots.selection import is_paired, selection_curve, selection_points
from tacit.plots.style import component_colour, new_figure, plain_settings, png

__all__ = [
    "DRAWN_KINDS",
    "MOST_CANDIDATES",
    "Ellipse",
    "PlotColumn",
    "PlotData",
    "Walk",
    "bound_curve",
    "bound_parts",
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
    "image_pairs",
    "is_paired",
    "marginal",
    "moving_columns",
    "new_figure",
    "pair_plot",
    "pit_histogram",
    "plain_settings",
    "plane_cells",
    "png",
    "rate_bars",
    "restart_strip",
    "returned_cells",
    "selection_curve",
    "selection_points",
    "telling_columns",
    "training_curve",
    "walk_images",
    "walk_maps",
]
