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

from tacit._errors import UsageError
from tacit._typing import Array
from tacit.data.column import Column
from tacit.data.covariates import Covariates
from tacit.data.encode import Rows, encode
from tacit.data.schema import Schema
from tacit.data.table import Table
from tacit.distributions import Bernoulli, CategoricalColumn, DiagonalNormal, MultivariateNormal
from tacit.distributions.multivariate_normal import LOG_2PI
from tacit.distributions.predictive import (
    AbstractPrediction,
    CategoricalPrediction,
    LogNormalMixturePrediction,
    NormalMixturePrediction,
    PoissonMixturePrediction,
)
from tacit.evaluation.importance import importance
from tacit.evaluation.result import Kind
from tacit.models.predictive import discretised, is_exact, predictive
from tacit.training.population import take

DRAWS = 256  # of a relaxed latent that has no closed marginal, for predictions
SAMPLES = 1000  # of q, for a log density that has no closed form
_TILE = 1024  # rows worked off at once
_SEED = 0  # of the draws above: the same question has the same answer


@dataclass(frozen=True, eq=False)
class ConditionalTable:
    """p(targets | covariates), a mixture of the mixtures of all members with equal weights.

    Attributes:
        schema: how the target columns are read.
        covariates: how the other columns become x.
        members: the models, stacked; `posteriors`: theirs, stacked, or None where the latent is summed out.
    """

    schema: Schema
    covariates: Covariates
    members: Any
    posteriors: Any = None

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the target columns."""
        return self.schema.names

    @cached_property
    def exact(self) -> bool:
        """Whether densities are exact: the latent is summed out, or the relaxed likelihood is linear in it."""
        return is_exact(self.members)

    @property
    def kind(self) -> Kind:
        """The label of a log density."""
        return "exact" if self.exact else "estimate"

    def mixtures(self, x: Float[np.ndarray, "n p"], *, corners: bool = False) -> tuple[np.ndarray, Any]:
        """Log weights (n, m k) and the stack of components (n, m k, ...) of p(y | x), in standardised units.

        With `corners`, of the relaxed category at the corners of the simplex.
        """
        found = [_mixtures(self.members, tile, corners) for tile in _tiles(x)]
        logits = np.concatenate([np.asarray(one.logits, np.float64) for one in found])[: len(x)]
        stack = jax.tree.map(
            lambda *parts: np.concatenate(parts)[: len(x)].astype(np.float64), *[f.stack for f in found]
        )
        n, m, k = logits.shape
        merged = jax.tree.map(lambda a: a.reshape(n, m * k, *a.shape[3:]), stack)
        return (log_softmax(logits, axis=-1) - np.log(m)).reshape(n, m * k), merged

    def predict(self, x: Float[np.ndarray, "n p"], target: str) -> AbstractPrediction:
        """The distribution of one target given x, the other targets integrated out.

        Raises `UsageError` where it is not a target of the model.
        """
        if target not in self.targets:
            known = ", ".join(self.targets)
            raise UsageError(f"{target!r} is not a target of the model.", mend=f"Its targets are {known}.")
        column, place = self.schema[target], self.targets.index(target)
        log_weights, stack = self.mixtures(x)
        return _prediction(column, log_weights, stack, place)

    def log_prob(self, x: Float[np.ndarray, "n p"], rows: Rows) -> Float[np.ndarray, " n"]:
        """`log p(y | x)` of whole rows (n,), in nats and the user's units: exact, or an estimate where not `exact`."""
        if self.exact:
            return logsumexp(self.log_joints(x, rows.y), axis=1) + rows.log_jacobian
        return self.estimates(x, rows)[0]

    def log_joints(self, x: Float[np.ndarray, "n p"], y: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n c"]:
        """Log weight plus log density of every component of every member, in standardised units."""
        log_weights, stack = self.mixtures(x)
        return log_weights + component_log_densities(stack, y)

    def discretised_log_prob(self, x: Float[np.ndarray, "n p"], rows: Rows) -> Float[np.ndarray, " n"]:
        """The same of the model whose relaxed category is put at the corners of the simplex, exact."""
        log_weights, stack = self.mixtures(x, corners=True)
        return logsumexp(log_weights + component_log_densities(stack, rows.y), axis=1) + rows.log_jacobian

    def estimates(self, x: Float[np.ndarray, "n p"], rows: Rows) -> tuple[np.ndarray, ...]:
        """By importance sampling from q: log density, its error and bias, the bound and its error, (n,) each."""
        size = jax.tree.leaves(eqx.filter(self.members, eqx.is_array_like))[0].shape[0]
        keys = jax.random.split(jax.random.key(_SEED), size)
        found = [
            importance(take(self.members, m), take(self.posteriors, m), rows.y, x, num_samples=SAMPLES, key=keys[m])
            for m in range(size)
        ]
        log_p, error, bias, elbo, elbo_error = (np.stack(parts) for parts in zip(*found, strict=True))
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


@eqx.filter_jit
def _mixtures(members: Any, x: Array, corners: bool) -> Any:
    """The mixtures of a tile of rows, (rows, members, components, ...)."""
    key = jax.random.key(_SEED)

    def row(x: Array) -> Any:
        def one(model: Any) -> Any:
            return discretised(model, x) if corners else predictive(model, x, key, DRAWS)

        return eqx.filter_vmap(one)(members)

    return jax.vmap(row)(x)


def _tiles(x: np.ndarray) -> list[Array]:
    """The rows in tiles of one of two sizes, the last filled up."""
    size = _TILE if len(x) > 64 else 64
    whole = np.concatenate([x, np.zeros((-len(x) % size, x.shape[1]))])
    return [jnp.asarray(whole[i : i + size], jnp.float32) for i in range(0, len(whole), size)]


def component_log_densities(stack: Any, y: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n c"]:
    """Log density of y (n, d) under every component (n, c), in float64."""
    if isinstance(stack, DiagonalNormal):
        white = (y[:, None] - stack.loc) * np.exp(-stack.log_scale)
        return np.sum(-0.5 * (white**2 + LOG_2PI) - stack.log_scale, axis=-1)
    if isinstance(stack, MultivariateNormal):
        white = np.linalg.solve(_factor(stack.raw), (y[:, None] - stack.loc)[..., None])[..., 0]
        return np.sum(-0.5 * (white**2 + LOG_2PI) - np.diagonal(stack.raw, axis1=-2, axis2=-1), axis=-1)
    if isinstance(stack, Bernoulli):
        return -np.sum(np.logaddexp(0.0, np.where(y[:, None] > 0, -stack.logits, stack.logits)), axis=-1)
    if isinstance(stack, CategoricalColumn):
        log_probs = log_softmax(stack.logits, axis=-1)
        return np.take_along_axis(log_probs, y.astype(int)[:, None], axis=-1)[..., 0]
    return np.sum(y[:, None] * stack.log_rate - np.exp(stack.log_rate) - gammaln(y + 1)[:, None], axis=-1)


def _factor(raw: np.ndarray) -> np.ndarray:
    """Cholesky factors from their lower triangles with the diagonal in logs."""
    diagonal = np.exp(np.diagonal(raw, axis1=-2, axis2=-1))
    return np.tril(raw, -1) + diagonal[..., None] * np.eye(raw.shape[-1])


def _prediction(column: Column, log_weights: np.ndarray, stack: Any, place: int) -> AbstractPrediction:
    """The distribution of one target in the user's units."""
    if column.kind == "count":
        return PoissonMixturePrediction(log_weights, np.exp(stack.log_rate[..., place]))
    if column.kind == "binary":
        ones = np.sum(np.exp(log_weights) * expit(stack.logits[..., place]), axis=1)
        return CategoricalPrediction(column.levels, np.stack([1 - ones, ones], axis=1))
    if column.kind == "categorical":
        probs = np.exp(log_softmax(stack.logits, axis=-1))
        return CategoricalPrediction(column.levels, np.einsum("nc,ncl->nl", np.exp(log_weights), probs))
    if isinstance(stack, DiagonalNormal):
        scales = np.exp(stack.log_scale[..., place])
    else:
        scales = np.sqrt(np.sum(_factor(stack.raw)[..., place, :] ** 2, axis=-1))
    kind = LogNormalMixturePrediction if column.kind == "positive" else NormalMixturePrediction
    return kind(log_weights, stack.loc[..., place], scales, center=column.center, scale=column.scale)
