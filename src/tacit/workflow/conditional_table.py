"""The conditional density of target columns given the other columns of a table: the model that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import expit, gammaln, log_softmax, logsumexp

from tacit._device import compiled, placed
from tacit._errors import UsageError
from tacit._typing import Array, Key
from tacit.data.batch import Batch
from tacit.data.column import Column
from tacit.data.covariates import Covariates
from tacit.data.decode import decode
from tacit.data.encode import Rows, encode
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.distributions import Bernoulli, CategoricalColumns, DiagonalNormal, MultivariateNormal
from tacit.distributions.multivariate_normal import LOG_2PI
from tacit.distributions.predictive import (
    AbstractPrediction,
    CategoricalPrediction,
    LogNormalMixturePrediction,
    NormalMixturePrediction,
    PoissonMixturePrediction,
)
from tacit.evaluation.result import Kind
from tacit.evaluation.row_key import row_key
from tacit.evaluation.weights import error_of_mean, weighted
from tacit.models.predictive import discretised, is_exact, predictive
from tacit.training.population import take

DRAWS = 256  # of a relaxed latent that has no closed marginal, for predictions
SAMPLES = 1000  # of q, for a log density that has no closed form
_TILE = 1024  # rows worked off at once
_OFF = -1e8  # the log weight of a component that a member does without
_SEED = 0  # of the draws above: the same question has the same answer


@dataclass(frozen=True, eq=False)
class ConditionalTable:
    """p(targets | covariates), a mixture of the mixtures of all members with equal weights.

    Attributes:
        schema: how the target columns are read.
        covariates: how the other columns become x.
        members: the models, stacked; `posteriors`: theirs, stacked, or None where the latent is summed out.
        cell: where above 0, the width h of the uniform noise that the one target was trained with. A value v then
            stands for the cell of that width about it, and has the log density log[(F(v + h/2) - F(v - h/2)) / h].
        spread: the factor on all scales that rows set aside asked for (`conditional_spread`).
    """

    schema: Schema
    covariates: Covariates
    members: Any
    posteriors: Any = None
    cell: float = 0.0
    spread: float = 1.0

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the target columns."""
        return self.schema.names

    @cached_property
    def exact(self) -> bool:
        """Whether densities are exact: the latent is summed out, or the relaxed likelihood is linear in it."""
        return is_exact(self.members)

    def reference(self) -> str:
        """What the density is over: log-likelihoods are comparable only where it is equal."""
        reference = self.schema.reference()
        return f"{reference}, in cells of {self.cell!r}" if self.cell else reference

    @property
    def kind(self) -> Kind:
        """The label of a log density."""
        return "exact" if self.exact else "estimate"

    def mixtures(self, x: Float[np.ndarray, "n p"], *, corners: bool = False) -> tuple[np.ndarray, Any]:
        """Log weights (n, m k) and the stack of components (n, m k, ...) of p(y | x), in standardised units.

        The components of a member stand together. With `corners`, of the relaxed category at the corners of the
        simplex.
        """
        log_weights, stack = self.by_member(x, corners=corners)
        n, m, k = log_weights.shape
        flat = log_weights.reshape(n, m * k) - np.log(m)
        on = np.max(flat, axis=0, initial=-np.inf) > _OFF
        return flat[:, on], jax.tree.map(lambda a: a[:, on], stack)

    def by_member(self, x: Float[np.ndarray, "n p"], *, corners: bool = False) -> tuple[np.ndarray, Any]:
        """Each member's own log weights (n, m, k), and the components of all (n, m k, ...), with those it lacks."""
        found = [_mixtures(self.members, tile, corners) for tile in _tiles(x)]
        logits = np.concatenate([np.asarray(one.logits, np.float64) for one in found])[: len(x)]
        stack = jax.tree.map(
            lambda *parts: np.concatenate(parts)[: len(x)].astype(np.float64), *[f.stack for f in found]
        )
        n, m, k = logits.shape
        flat = jax.tree.map(lambda a: a.reshape(n, m * k, *a.shape[3:]), stack)
        return log_softmax(logits, axis=-1), scaled(flat, self.spread, self.limits)

    def predict(self, x: Float[np.ndarray, "n p"], target: str) -> AbstractPrediction:
        """The distribution of one target given x, the other targets integrated out.

        Raises `UsageError` where it is not a target of the model.
        """
        if target not in self.targets:
            known = ", ".join(self.targets)
            raise UsageError(f"{target!r} is not a target of the model.", mend=f"Its targets are {known}.")
        column, place = self.schema[target], self.targets.index(target)
        log_weights, stack = self.mixtures(x)
        return _prediction(column, log_weights, stack, place, exact=self.exact)

    def log_prob(self, x: Float[np.ndarray, "n p"], rows: Rows) -> Float[np.ndarray, " n"]:
        """`log p(y | x)` of whole rows (n,), in nats and the user's units: exact, or an estimate where not `exact`."""
        if self.cell:
            return self._cell_log_density(self.mixtures(x), rows)
        if self.exact:
            return logsumexp(self.log_joints(x, rows.y), axis=1) + rows.log_jacobian
        return self.estimates(x, rows)[0]

    def _cell_log_density(self, mixture: tuple[np.ndarray, Any], rows: Rows) -> Float[np.ndarray, " n"]:
        """log[(F(v + h/2) - F(v - h/2)) / h] of every value v."""
        (column,) = self.schema.modelled
        values = decode(self.schema, rows.y)[column.name].astype(np.float64)
        prediction: Any = _prediction(column, *mixture, 0, exact=True)
        half = self.cell / 2
        return prediction.log_mass(values - half, values + half) - np.log(self.cell)

    def log_joints(self, x: Float[np.ndarray, "n p"], y: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n c"]:
        """Log weight plus log density of every component of every member, in standardised units."""
        log_weights, stack = self.mixtures(x)
        return log_weights + component_log_densities(stack, y)

    def member_log_joints(self, x: Float[np.ndarray, "n p"], y: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n m k"]:
        """The same of every member by itself, components that it does without included."""
        log_weights, stack = self.by_member(x)
        return log_weights + component_log_densities(stack, y).reshape(log_weights.shape)

    def responsibilities(self, x: Float[np.ndarray, "n p"], rows: Rows) -> Float[np.ndarray, "n c"]:
        """Posterior probability of every component of every member given the targets as well."""
        joints = self.log_joints(x, rows.y)
        return np.exp(log_softmax(joints, axis=1))

    def component_labels(self) -> list[str]:
        """The member and the component of each column of `mixtures` and `responsibilities`; none where not `exact`."""
        if not self.exact:
            return []
        x = np.zeros((1, len(self.covariates.names)))
        log_weights, _ = self.by_member(x)
        _, m, k = log_weights.shape
        on = log_weights[0] > _OFF
        return [f"member {i}, component {j}" for i in range(m) for j in range(k) if on[i, j]]

    @property
    def limits(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The least and the greatest scale (d,) of a component, standardised, the same in all members; inf for none."""
        normal = family(self.members)
        if not normal.numeric:
            return None
        floor = np.asarray(normal.floor.value, np.float64)[0]
        ceiling = np.full_like(floor, np.inf) if normal.ceiling is None else np.asarray(normal.ceiling.value)[0]
        return floor, ceiling.astype(np.float64)

    def floors(self) -> Float[np.ndarray, " d"] | None:
        """The least s.d. of a component, in the units of each continuous target (of its logarithm if positive)."""
        limits = self.limits
        return None if limits is None else limits[0] * self._scales

    def ceilings(self) -> Float[np.ndarray, " d"] | None:
        """The greatest s.d. of a component, in the same units; None where there is none."""
        limits = self.limits
        return None if limits is None or np.isinf(limits[1]).any() else limits[1] * self._scales

    @property
    def _scales(self) -> Float[np.ndarray, " d"]:
        return np.array([column.scale for column in self.schema.modelled])

    def to_user(self, y: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
        """Continuous targets in the user's units."""
        columns = self.schema.modelled
        values = y * np.array([one.scale for one in columns]) + np.array([one.center for one in columns])
        logged = np.array([one.kind == "positive" for one in columns])
        return np.where(logged, np.exp(np.where(logged, values, 0.0)), values)

    def discretised_log_prob(self, x: Float[np.ndarray, "n p"], rows: Rows) -> Float[np.ndarray, " n"]:
        """The same of the model whose relaxed category is put at the corners of the simplex, exact."""
        log_weights, stack = self.mixtures(x, corners=True)
        if self.cell:
            return self._cell_log_density((log_weights, stack), rows)
        return logsumexp(log_weights + component_log_densities(stack, rows.y), axis=1) + rows.log_jacobian

    def estimates(self, x: Float[np.ndarray, "n p"], rows: Rows) -> tuple[np.ndarray, ...]:
        """By importance sampling (`weighted`), with the jackknife: log density, error and bias, bound and its error."""
        size = jax.tree.leaves(eqx.filter(self.members, eqx.is_array_like))[0].shape[0]
        keys = jax.random.split(jax.random.key(_SEED), size)
        batch = Batch(rows.y, x, None, None, None)
        found = [
            weighted(take(self.members, m), take(self.posteriors, m), batch, num_samples=SAMPLES // 4, key=keys[m])
            for m in range(size)
        ]
        log_p, error, bias, elbo, elbo_error = (
            np.stack([getattr(one, name) for one in found])
            for name in ("jackknife", "error", "jackknife_bias", "elbo", "elbo_error")
        )
        share = np.exp(log_p - logsumexp(log_p, axis=0))  # each member's part of the density
        together = logsumexp(log_p, axis=0) - np.log(size)
        spread = np.sqrt(np.sum((share * error) ** 2, axis=0))
        bound = logsumexp(elbo, axis=0) - np.log(size)  # log of the mean is above the mean of logs: still a bound
        bound_error = np.sqrt(np.sum((np.exp(elbo - logsumexp(elbo, axis=0)) * elbo_error) ** 2, axis=0))
        jacobian = rows.log_jacobian
        return together + jacobian, spread, np.sum(share * bias, axis=0), bound + jacobian, bound_error

    def encode(self, table: Table) -> Rows:
        """The target columns of a table as events, with the Jacobian of their units."""
        return encode(self.schema, table, roles=False)


def family(members: Any) -> Any:
    """The family of the components."""
    likelihood = members.likelihood
    return likelihood.family if hasattr(likelihood, "family") else likelihood.components.family


@compiled
def _mixtures(members: Any, x: Array, corners: bool) -> Any:
    """The mixtures of a tile of rows, (rows, members, components, ...); draws depend on the row and the member."""
    size = jax.tree.leaves(eqx.filter(members, eqx.is_array_like))[0].shape[0]

    def row(x: Array) -> Any:
        def one(model: Any, key: Key) -> Any:
            return discretised(model, x) if corners else predictive(model, x, key, DRAWS)

        return eqx.filter_vmap(one)(members, jax.random.split(row_key(jax.random.key(_SEED), x), size))

    return jax.vmap(row)(x)


def _tiles(x: np.ndarray) -> list[Array]:
    """The rows in tiles of one of two sizes, the last filled up."""
    size = _TILE if len(x) > 64 else 64
    whole = np.concatenate([x, np.zeros((-len(x) % size, x.shape[1]))])
    return [placed(whole[i : i + size], jnp.float32) for i in range(0, len(whole), size)]


def component_log_densities(stack: Any, y: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n c"]:
    """Log density of y (n, d) under every component (n, c), in float64."""
    if isinstance(stack, DiagonalNormal):
        white = (y[:, None] - stack.loc) * np.exp(-stack.log_scale)
        return np.sum(-0.5 * (white**2 + LOG_2PI) - stack.log_scale, axis=-1)
    if isinstance(stack, MultivariateNormal):
        white = np.linalg.solve(factor(stack.raw), (y[:, None] - stack.loc)[..., None])[..., 0]
        return np.sum(-0.5 * (white**2 + LOG_2PI) - np.diagonal(stack.raw, axis1=-2, axis2=-1), axis=-1)
    if isinstance(stack, Bernoulli):
        return -np.sum(np.logaddexp(0.0, np.where(y[:, None] > 0, -stack.logits, stack.logits)), axis=-1)
    if isinstance(stack, CategoricalColumns):
        log_probs = log_softmax(stack.logits[..., 0, :], axis=-1)
        return np.take_along_axis(log_probs, y.astype(int)[:, None], axis=-1)[..., 0]
    return np.sum(y[:, None] * stack.log_rate - np.exp(stack.log_rate) - gammaln(y + 1)[:, None], axis=-1)


def factor(raw: np.ndarray) -> np.ndarray:
    """Cholesky factors from their lower triangles with the diagonal in logs."""
    diagonal = np.exp(np.diagonal(raw, axis1=-2, axis2=-1))
    return np.tril(raw, -1) + diagonal[..., None] * np.eye(raw.shape[-1])


def scaled(stack: Any, times: float, limits: tuple[np.ndarray, np.ndarray] | None) -> Any:
    """Normal components with all scales so many times what they are, yet within the limits; others as they are."""
    if times == 1.0 or limits is None:
        return stack
    floor, ceiling = limits
    if isinstance(stack, DiagonalNormal):
        return DiagonalNormal(stack.loc, np.clip(stack.log_scale + np.log(times), np.log(floor), np.log(ceiling)))
    unit = np.eye(stack.raw.shape[-1])
    lower = times * stack.raw * (1 - unit)
    least = np.maximum(times * np.exp(np.diagonal(stack.raw, axis1=-2, axis2=-1)), floor)
    wide = np.sqrt(np.sum(lower**2, axis=-1) + least**2)
    drawn_in = np.minimum(ceiling / wide, 1.0)  # every row of the factor, to the greatest scale
    diagonal = np.log(np.maximum(least * drawn_in, floor))
    return MultivariateNormal(stack.loc, lower * drawn_in[..., None] + diagonal[..., None] * unit)


def scales_of(stack: Any) -> Float[np.ndarray, "n c d"]:
    """The standard deviation of each target under each normal component."""
    if isinstance(stack, DiagonalNormal):
        return np.exp(np.asarray(stack.log_scale))
    return np.asarray(np.sqrt(np.sum(factor(stack.raw) ** 2, axis=-1)))


def _prediction(column: Column, log_weights: np.ndarray, stack: Any, place: int, *, exact: bool) -> AbstractPrediction:
    """The distribution of one target in the user's units; with its error where components are draws of a latent."""

    def told(values: np.ndarray) -> dict[str, Any]:
        return {} if exact else {"monte_carlo_error": error_of_mean(log_weights, values)}

    if column.kind == "count":
        rates = np.exp(stack.log_rate[..., place])
        return PoissonMixturePrediction(log_weights, rates, **told(rates[..., None]))
    if column.kind == "binary":
        each = expit(stack.logits[..., place])
        ones = np.sum(np.exp(log_weights) * each, axis=1)
        return CategoricalPrediction(column.levels, np.stack([1 - ones, ones], axis=1), **told(each[..., None]))
    if column.kind == "categorical":
        probs = np.exp(log_softmax(stack.logits[..., place, :], axis=-1))
        together = np.einsum("nc,ncl->nl", np.exp(log_weights), probs)
        return CategoricalPrediction(column.levels, together, **told(probs))
    loc, scales = stack.loc[..., place], scales_of(stack)[..., place]
    units: dict[str, Any] = {"center": column.center, "scale": column.scale}
    means = column.center + column.scale * loc
    if column.kind == "positive":
        with np.errstate(over="ignore"):
            means = np.exp(means + 0.5 * (column.scale * scales) ** 2)
        return LogNormalMixturePrediction(log_weights, loc, scales, **units, **told(means[..., None]))
    return NormalMixturePrediction(log_weights, loc, scales, **units, **told(means[..., None]))
