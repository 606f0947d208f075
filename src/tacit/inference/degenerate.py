"""Components that hold next to no rows: dropped, or re-seeded from the largest component."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from tacit.inference import em
from tacit.inference import rows as exact
from tacit.inference.fit import Fit, Settings
from tacit.inference.population import refine
from tacit.inference.source import Source
from tacit.inference.starts import embed, from_labels, template
from tacit.models import FiniteMixture

LEAST_ROWS = 2  # a component of fewer rows describes a row, not a group; a covariance needs more
ATTEMPTS = 2


def degenerate(fit: Fit, total_weight: float) -> Bool[np.ndarray, " k"]:
    """Which components hold fewer rows than their parameters need, where there are rows enough for all."""
    mass = np.exp(fit.mixture.log_weights) * total_weight
    least = max(LEAST_ROWS, len(fit.mixture.components.pattern_columns) + 1)
    return (mass < least) & (total_weight >= 2 * least * len(mass))


def mend(source: Source, fit: Fit, regularise: Any, settings: Settings, *, keep: bool) -> Fit:
    """The fit without degenerate components, or as it was where that cannot be had.

    With `keep` the number of components stays: each degenerate one starts again on half of the largest component.
    Otherwise they are dropped. EM then goes on, at most twice. What was done is in `Fit.mended`. The source must have
    one weighting. Call inside `jax.enable_x64(True)`.
    """
    mended, total = fit, float(source.total_weight()[0])
    for _ in range(ATTEMPTS):
        bad = degenerate(mended, total)
        if not bad.any():
            break
        population = _reseeded(source, mended, bad, regularise) if keep else _without(mended.mixture, bad)
        said = f"{int(bad.sum())} re-seeded" if keep else f"{int(bad.sum())} dropped"
        again = refine(source, population, regularise, settings)[0]
        mended = replace(again, start=fit.start, mended=(*mended.mended, said))
    sound = np.isfinite(mended.log_likelihood) and not degenerate(mended, total).any()
    return mended if sound else fit


def _without(mixture: FiniteMixture, bad: Bool[np.ndarray, " k"]) -> em.Population:
    stack = jax.tree.map(lambda a: np.asarray(a)[None, ~bad], mixture.components)
    kept = np.asarray(mixture.log_weights)[~bad]
    return em.Population((kept - np.logaddexp.reduce(kept))[None], stack, np.zeros(1, int))


def _reseeded(source: Source, fit: Fit, bad: Bool[np.ndarray, " k"], regularise: Any) -> em.Population:
    """Hard labels of the fit, with the largest component cut in halves for each degenerate one."""
    joints = exact.log_joints(fit.mixture, np.asarray(source.y[:]))
    labels = np.where(bad, -np.inf, joints).argmax(axis=1)
    family = jax.tree.map(lambda a: np.asarray(a)[0], fit.mixture.components)
    k = fit.mixture.n_components
    tiles = source.tiles(k)
    index = np.asarray(tiles.index)
    real = index < len(labels)
    embedded = np.asarray(embed(family, tiles))
    points = np.empty((len(labels), embedded.shape[1]))
    points[index[real]] = embedded[real.ravel()]
    for j in np.flatnonzero(bad):
        largest = np.flatnonzero(labels == np.bincount(labels, minlength=k).argmax())
        labels[largest[_upper_half(points[largest])]] = j
    placed = np.where(real, labels[np.minimum(index, len(labels) - 1)], 0)[..., None]
    blank = template(family, jnp.array([k]), jnp.array([0]), k)
    return jax.tree.map(np.asarray, from_labels(blank, tiles, jnp.asarray(placed), jnp.array([k]), regularise))


def _upper_half(points: Float[np.ndarray, "n e"]) -> Int[np.ndarray, " h"]:
    """The half of the points beyond the median along their direction of largest spread."""
    centred = points - points.mean(0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    along = centred @ direction
    return np.argsort(along, kind="stable")[len(along) // 2 :]
