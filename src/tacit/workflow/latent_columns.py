"""The columns of a schema as deep models see them: families of the decoder, inputs of the encoder, marginal starts."""

from __future__ import annotations

from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import logit

from tacit._device import placed
from tacit._errors import UsageError
from tacit.data.schema import Schema
from tacit.models import ColumnFamily, ColumnInputs, FullNormalColumns, NormalColumns, SigmoidColumns
from tacit.networks import Fixed

Scale = Literal["shared", "floored", "network", "fixed", "full", "sigmoid"]
"""Of real columns given the latent: one a column for all rows; by the network, above a floor; by the network alone,
which may shrink without limit; one of the schema's scales, unlearned; by the network, which gives the columns a
covariance; the founding note's, where the logarithm of the
variance, and the mean, are sigmoids."""

MOST_TOGETHER = 32  # columns whose covariance a network gives
LEAST_TOGETHER = 0.03  # scale of one given those before it, in its own: covariances are factored in single precision
_TINY = 1e-30
_INSIDE = 0.02  # how far within their range sigmoids start


def column_family(
    schema: Schema, y: Float[np.ndarray, "n d"], weight: Float[np.ndarray, " n"], scale: Scale, floor: float
) -> ColumnFamily:
    """The families of the modelled columns; y holds NaN where a cell is missing.

    Raises `UsageError` for more real columns than a covariance is for.
    """
    layout = schema.layout
    normal = None
    if layout.normal:
        columns = [schema[name] for name in layout.normal]
        least = np.array([max(column.floor / column.scale, floor) for column in columns])
        shared: Any = None
        if scale == "shared":
            deviation = np.sqrt(_moments(y[:, layout.span("normal")], weight)[1])
            shared = placed(np.log(np.maximum(deviation - least, least)), jnp.float32)
        elif scale == "fixed":
            shared, least = Fixed(jnp.zeros(len(columns))), np.full(len(columns), _TINY)
        elif scale == "network":
            least = np.full(len(columns), _TINY)
        normal = NormalColumns(Fixed(placed(least, jnp.float32)), shared)
        if scale == "full":
            _check_few(len(columns))
            normal = FullNormalColumns(Fixed(placed(np.maximum(least, LEAST_TOGETHER), jnp.float32)), None)
        if scale == "sigmoid":
            normal = SigmoidColumns(Fixed(jnp.ones(len(columns))), None)
    log_means = None
    if layout.poisson:
        means, _ = _moments(y[:, layout.span("poisson")], weight)
        log_means = Fixed(placed(np.log(np.maximum(means, 1e-3)), jnp.float32))
    return ColumnFamily(normal, len(layout.bernoulli), layout.levels, log_means)


def _check_few(d: int) -> None:
    """Raise `UsageError` for more columns than a covariance is for."""
    if d > MOST_TOGETHER:
        what = f"a network gives a covariance of {MOST_TOGETHER} real columns at most, and these are {d}."
        raise UsageError(what, where="scale", mend="Use scale='shared' or 'floored', and more latents.")


def column_inputs(schema: Schema, y: Float[np.ndarray, "n d"], weight: Float[np.ndarray, " n"]) -> ColumnInputs:
    """What an encoder reads; which cells are missing as well, where some are."""
    layout = schema.layout
    counts = None
    if layout.poisson:
        means, variances = _moments(np.log1p(y[:, layout.span("poisson")]), weight)
        counts = Fixed(placed(np.stack([means, np.sqrt(np.maximum(variances, 1e-4))]), jnp.float32))
    holes = bool(np.isnan(y).any())
    return ColumnInputs(len(layout.normal), len(layout.bernoulli), layout.levels, counts, holes=holes)


def marginal_numbers(
    schema: Schema, family: ColumnFamily, y: Float[np.ndarray, "n d"], weight: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " w"]:
    """The numbers that make `family` fit every column alone: means, log-odds and log-frequencies of present cells."""
    layout = schema.layout
    parts = []
    if family.normal is not None:
        means, variances = _moments(y[:, layout.span("normal")], weight)
        spread = 0.5 * np.log(np.maximum(variances, 1e-4))
        if isinstance(family.normal, SigmoidColumns):
            means, spread = (logit(np.clip(a, _INSIDE, 1 - _INSIDE)) for a in (means, 2 * spread))
        parts.append(means)
        if family.normal.log_scale is None:
            parts.append(spread)
        parts.append(np.zeros(family.normal.width - sum(map(len, parts))))  # entries below a diagonal
    parts += [log_odds(schema, y, weight), *log_shares(schema, y, weight), np.zeros(family.n_counts)]
    return np.concatenate(parts)


def log_odds(schema: Schema, y: Float[np.ndarray, "n d"], weight: Float[np.ndarray, " n"]) -> Float[np.ndarray, " b"]:
    """Of a one in every 0/1 column, by its present cells and half a row of each."""
    ones, mass = _sums(y[:, schema.layout.span("bernoulli")], weight)
    return np.asarray(np.log(ones + 0.5) - np.log(mass - ones + 0.5))


def log_shares(
    schema: Schema, y: Float[np.ndarray, "n d"], weight: Float[np.ndarray, " n"]
) -> list[Float[np.ndarray, " l"]]:
    """Of the levels of every coded column, by its present cells and half a row of each."""
    layout, found = schema.layout, []
    for place, (_, size) in enumerate(layout.categorical, start=layout.span("categorical").start):
        codes = y[:, place]
        present = ~np.isnan(codes)
        counts = np.bincount(codes[present].astype(int), weight[present], minlength=size) + 0.5
        found.append(np.log(counts / counts.sum()))
    return found


def _sums(y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums over the present cells of every column, and the weights they come from."""
    present = ~np.isnan(y)
    return weight @ np.where(present, y, 0.0), weight @ present


def _moments(y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means and variances of the present cells of every column; 0 and 1 where there are none."""
    total, mass = _sums(y, weight)
    means = np.where(mass > 0, total / np.maximum(mass, _TINY), 0.0)
    scatter, _ = _sums((y - means) ** 2, weight)
    return means, np.where(mass > 0, scatter / np.maximum(mass, _TINY), 1.0)
