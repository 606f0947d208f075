"""A finite mixture over the columns of a table: fit once, ask anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import jax
import numpy as np

from tacit._errors import UsageError
from tacit.data.decode import decode
from tacit.data.encode import Rows, given_row
from tacit.data.schema import Schema
from tacit.distributions import (
    AbstractExponentialFamily,
    Bernoulli,
    CategoricalColumns,
    DiagonalNormal,
    MultivariateNormal,
    Poisson,
    Product,
)
from tacit.distributions.categorical import located, runs
from tacit.distributions.predictive import (
    AbstractNumericPrediction,
    AbstractPrediction,
    CategoricalPrediction,
    LogNormalMixturePrediction,
    NormalMixturePrediction,
    PoissonMixturePrediction,
    ZeroInflatedPrediction,
)
from tacit.inference import rows as exact
from tacit.models import FiniteMixture

TINY, HUGE = float(np.finfo(float).tiny), float(np.finfo(float).max)
PSEUDO_ROWS = 1.0  # of every discrete column, in every component: published with the model


def family(schema: Schema, *, independent: bool = False) -> Product:
    """One member of the family that fits the columns: a full (or independent) normal block, then the discrete ones."""
    layout = schema.layout
    d = len(layout.normal)
    blocks: list[AbstractExponentialFamily] = []
    if d and independent:
        blocks.append(DiagonalNormal(np.zeros(d), np.zeros(d)))
    elif d:
        blocks.append(MultivariateNormal(np.zeros(d), np.zeros((d, d))))
    if layout.bernoulli:
        blocks.append(Bernoulli(np.zeros(len(layout.bernoulli))))
    blocks += [CategoricalColumns(np.zeros((m, levels))) for levels, m in runs(layout.levels)]
    if layout.poisson:
        blocks.append(Poisson(np.zeros(len(layout.poisson))))
    return Product(tuple(blocks))


def regularisation(schema: Schema) -> tuple[Any, ...]:
    """What `maximise` adds in each block: the variance floor of each normal column, and pseudo-rows elsewhere."""
    layout = schema.layout
    floors = [(schema[name].floor / schema[name].scale) ** 2 for name in layout.normal]
    others = bool(layout.bernoulli) + len(runs(layout.levels)) + bool(layout.poisson)
    return ((np.array(floors),) if floors else ()) + (np.float64(PSEUDO_ROWS),) * others


@dataclass(frozen=True, eq=False)
class TableMixture:
    """The exact joint density of a table's columns, and with it that of any columns given any others.

    Everything is computed from `log p(y) = log sum_k w_k p(y_present | theta_k)`: missing cells are integrated out,
    which is right when cells are missing at random (given what is present, being missing says nothing).
    """

    schema: Schema
    mixture: FiniteMixture
    # anomaly p-values of the training rows at even quantiles, so that a rate refers to the training distribution
    calibration: np.ndarray = field(default_factory=lambda: np.linspace(0.0, 1.0, 2))
    segments: tuple[int, ...] = ()  # the segment of each component, where components were merged

    def log_prob(self, rows: Rows) -> np.ndarray:
        """Log density (n,) of the present cells in the user's units, in nats: exact."""
        return np.logaddexp.reduce(exact.log_joints(self.mixture, rows.y), axis=1) + rows.log_jacobian

    def log_responsibilities(self, rows: Rows) -> np.ndarray:
        """Log posterior probability (n, k) of each component."""
        joints = exact.log_joints(self.mixture, rows.y)
        return joints - np.logaddexp.reduce(joints, axis=1, keepdims=True)

    def predict(self, rows: Rows, target: str) -> AbstractPrediction:
        """The exact distribution of one column given the other present cells of each row.

        Raises `UsageError` where the target is not a column of the model.
        """
        schema, layout = self.schema, self.schema.layout
        if target not in schema.names:
            known = ", ".join(schema.names)
            raise UsageError(f"{target!r} is not a column of the model.", mend=f"Its columns are {known}.")
        column = schema[target]
        y = rows.y.copy()
        y[:, list(layout.places(target))] = np.nan
        if column.kind in ("real", "positive", "zero-inflated"):
            place = np.int64(layout.index("normal", target))
            joints, means, variances = exact.conditional_normals(self.mixture, y, place)
        else:
            joints = exact.log_joints(self.mixture, y)
        log_r = joints - np.logaddexp.reduce(joints, axis=1, keepdims=True)
        if column.kind == "count":
            rates = np.exp(self.block("poisson").log_rate[:, layout.poisson.index(target)])
            return PoissonMixturePrediction(log_r, np.broadcast_to(rates, log_r.shape))
        if column.kind == "categorical":
            logits = self.level_logits(target)
            log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
            return CategoricalPrediction(column.levels, np.exp(log_r) @ np.exp(log_probs))
        if column.kind == "binary":
            ones = np.exp(log_r) @ np.exp(self._log_ones(target))
            return CategoricalPrediction(column.levels, np.stack([1 - ones, ones], axis=1))
        scales = np.sqrt(variances)
        if column.kind == "real":
            return NormalMixturePrediction(log_r, means, scales, center=column.center, scale=column.scale)
        if column.kind == "positive":
            return LogNormalMixturePrediction(log_r, means, scales, center=column.center, scale=column.scale)
        log_r = log_r + self._log_ones(target)
        log_positive = np.logaddexp.reduce(log_r, axis=1)
        positive = LogNormalMixturePrediction(log_r, means, scales, center=column.center, scale=column.scale)
        return ZeroInflatedPrediction(positive, np.minimum(np.exp(log_positive), 1.0))

    def _log_ones(self, column: str) -> np.ndarray:
        """Log probability (k,) of a one: of the second level, or of not being zero."""
        logits = self.block("bernoulli").logits[:, self.schema.layout.bernoulli.index(column)]
        return -np.logaddexp(0.0, -logits)

    def level_logits(self, column: str) -> np.ndarray:
        """Logits (k, l) of the levels of a categorical column."""
        layout = self.schema.layout
        run, place = located(layout.levels, layout.blocks["categorical"].index(column))
        blocks = [block for block in self.mixture.components.blocks if isinstance(block, CategoricalColumns)]
        return np.asarray(blocks[run].logits)[:, place]

    def block(self, name: Literal["normal", "bernoulli", "poisson"]) -> Any:
        """The block of the components by the layout's name for it."""
        layout, blocks = self.schema.layout, self.mixture.components.blocks
        first = bool(layout.normal)
        return blocks[{"normal": 0, "bernoulli": first, "poisson": -1}[name]]

    @property
    def calibrated(self) -> bool:
        """Whether anomalies are rated by p-values of training rows; else by those of rows that the model draws."""
        return len(self.calibration) > 2

    def only(self, component: int) -> TableMixture:
        """The density of one component alone."""
        stack = jax.tree.map(lambda a: a[component : component + 1], self.mixture.components)
        return replace(self, mixture=FiniteMixture.of(np.zeros(1), stack), segments=())

    def draw(self, rows: Rows, n_draws: int, seed: int) -> np.ndarray:
        """Events (n, n_draws, D): every row with its missing cells drawn from their exact joint conditional."""
        return self._draw(rows.y, n_draws, seed)[1]

    def _draw(self, y: np.ndarray, n_draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        keys = jax.random.split(jax.random.key(seed), n_draws)
        states, drawn = exact.draws(self.mixture, y, keys)
        return states, self._without_hidden_parts(drawn)

    def _without_hidden_parts(self, y: np.ndarray) -> np.ndarray:
        """Drawn events as the table shows them: of a zero, the positive part is not seen."""
        layout = self.schema.layout
        for name in layout.normal:
            if name in layout.bernoulli:
                hidden = y[..., layout.index("bernoulli", name)] == 0
                y[..., layout.index("normal", name)][hidden] = np.nan
        return y

    def sample(self, n: int, seed: int, given: Mapping[str, Any] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """n events (n, D) and their components (n,), where some columns may be fixed by `given`."""
        row = given_row(self.schema, given or {})
        states, drawn = self._draw(np.broadcast_to(row.y, (n, row.y.shape[1])), 1, seed)
        return drawn[:, 0], states[:, 0]

    def decode(self, y: np.ndarray) -> dict[str, np.ndarray]:
        """Events (n, D) as columns in the user's units."""
        return decode(self.schema, y)

    def impute(self, rows: Rows) -> np.ndarray:
        """Events (n, D) with every missing cell at its best single value given the present cells of its row.

        The mean for real columns (least squared error), the median for skewed ones and counts (least absolute
        error), the most probable level for the others.
        """
        layout, filled = self.schema.layout, rows.y.copy()
        for name in self.schema.names:
            column, places = self.schema[name], layout.places(name)
            empty = np.flatnonzero(np.isnan(rows.y[:, places[-1]]))  # the indicator, of a zero-inflated column
            if not len(empty):
                continue
            prediction = self.predict(rows.take(empty), name)
            if isinstance(prediction, CategoricalPrediction):
                filled[empty, places[0]] = prediction.probabilities.argmax(axis=1)
                continue
            best = self.best(prediction, name)
            if column.kind == "count":
                filled[empty, places[0]] = best
                continue
            if column.kind == "zero-inflated":
                filled[empty, places[-1]] = best > 0
                best = np.where(best > 0, best, np.nan)
            transformed = best if column.kind == "real" else np.log(np.clip(best, TINY, HUGE))
            filled[empty, places[0]] = transformed / column.scale - column.center / column.scale
        return filled

    def best(self, prediction: AbstractPrediction, target: str) -> np.ndarray:
        """The best single value (n,) of a prediction of a column, by the rule of `impute`."""
        if not isinstance(prediction, AbstractNumericPrediction):
            return prediction.mode()
        return prediction.mean() if self.schema[target].kind == "real" else prediction.quantile(0.5)
