"""The four kinds of covariance: which family each is, and its arrays as scikit-learn publishes them."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_triangular

from tacit.distributions import (
    AbstractExponentialFamily,
    DiagonalNormal,
    MultivariateNormal,
    SphericalNormal,
    TiedMultivariateNormal,
)


class Published(NamedTuple):
    """Arrays in the user's units, shaped as scikit-learn's attributes of the same names."""

    covariances: np.ndarray
    precisions: np.ndarray
    precisions_cholesky: np.ndarray


class Covariance(abc.ABC):
    """One kind of covariance. `scale` is one model unit of each column in the user's units."""

    family: ClassVar[type[AbstractExponentialFamily]]
    field: ClassVar[str]  # of the family, where the covariance is kept
    positive: ClassVar[str]  # what precisions have to be
    one_scale: ClassVar[bool] = False  # whether all columns have to share a unit

    @abc.abstractmethod
    def template(self, d: int) -> AbstractExponentialFamily:
        """One unstacked member of the family."""

    @abc.abstractmethod
    def shape(self, k: int, d: int) -> tuple[int, ...]:
        """Shape of the published arrays."""

    @abc.abstractmethod
    def is_positive(self, precisions: np.ndarray) -> bool:
        """Whether these are precisions."""

    @abc.abstractmethod
    def parameter(self, precisions: np.ndarray, k: int, scale: Float[np.ndarray, " d"]) -> np.ndarray:
        """The field of a stack of k components with these precisions (user's units)."""

    @abc.abstractmethod
    def publish(self, stack: Any, scale: Float[np.ndarray, " d"]) -> Published:
        """The arrays of a stack, in the user's units; what is too large for a float becomes inf."""

    @abc.abstractmethod
    def as_full(self, stack: Any) -> MultivariateNormal:
        """The same components with a matrix each."""

    @abc.abstractmethod
    def of_full(self, stack: MultivariateNormal) -> AbstractExponentialFamily:
        """The components that `as_full` turned into these."""

    @abc.abstractmethod
    def narrowest(self, covariances: np.ndarray) -> np.ndarray:
        """The smallest variance of each component in any direction (one entry where all share it)."""

    @abc.abstractmethod
    def colour(self, component: Any, noise: Float[np.ndarray, "n d"]) -> np.ndarray:
        """Standard normal noise given the covariance of one component (model units)."""


class Full(Covariance):
    """Each component has its own matrix."""

    family = MultivariateNormal
    field = "raw"
    positive = "symmetric, positive-definite"

    def template(self, d: int) -> AbstractExponentialFamily:
        return self.family(np.zeros(d), np.zeros((d, d)))

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        return k, d, d

    def is_positive(self, precisions: np.ndarray) -> bool:
        symmetric = np.allclose(precisions, np.swapaxes(precisions, -1, -2))
        return symmetric and bool(np.all(np.linalg.eigvalsh(precisions) > 0))

    def parameter(self, precisions: np.ndarray, k: int, scale: Float[np.ndarray, " d"]) -> np.ndarray:
        d = len(scale)
        stack = []
        for precision in precisions.reshape(-1, d, d):
            # P = U U' with U upper, so the covariance is L L' with L = U^-T, lower
            upper = np.linalg.cholesky(precision[::-1, ::-1])[::-1, ::-1]
            lower = solve_triangular(upper.T, np.eye(d), lower=True) / scale[:, None]
            stack.append(np.tril(lower, -1) + np.diag(np.log(np.diagonal(lower))))
        return np.broadcast_to(np.stack(stack), (k, d, d))

    def publish(self, stack: Any, scale: Float[np.ndarray, " d"]) -> Published:
        lower = self._factors(stack) * scale[:, None]
        identity = np.eye(len(scale))
        upper = np.stack([solve_triangular(factor, identity, lower=True).T for factor in lower])
        with np.errstate(over="ignore", under="ignore"):
            covariances, precisions = (a @ np.swapaxes(a, -1, -2) for a in (lower, upper))
        return Published(covariances, precisions, upper)

    def as_full(self, stack: Any) -> MultivariateNormal:
        return MultivariateNormal(stack.loc, stack.raw)

    def of_full(self, stack: MultivariateNormal) -> AbstractExponentialFamily:
        return self.family(stack.loc, stack.raw)

    def narrowest(self, covariances: np.ndarray) -> np.ndarray:
        return np.atleast_1d(np.linalg.eigvalsh(covariances)[..., 0])

    def colour(self, component: Any, noise: Float[np.ndarray, "n d"]) -> np.ndarray:
        return noise @ self._factors(component).T

    def _factors(self, stack: Any) -> np.ndarray:
        with jax.enable_x64(True):
            return np.asarray(stack.scale_tril)


class Tied(Full):
    """All components share one matrix."""

    family = TiedMultivariateNormal

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        return d, d

    def of_full(self, stack: MultivariateNormal) -> AbstractExponentialFamily:
        return self.family(stack.loc, np.broadcast_to(stack.raw[:1], stack.raw.shape).copy())

    def publish(self, stack: Any, scale: Float[np.ndarray, " d"]) -> Published:
        return Published(*(array[0] for array in super().publish(jax.tree.map(lambda a: a[:1], stack), scale)))


class Diagonal(Covariance):
    """Each component has a variance for every column."""

    family = DiagonalNormal
    field = "log_scale"
    positive = "positive"

    def template(self, d: int) -> AbstractExponentialFamily:
        return self.family(np.zeros(d), np.zeros(d))

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        return k, d

    def is_positive(self, precisions: np.ndarray) -> bool:
        return bool(np.all(precisions > 0))

    def parameter(self, precisions: np.ndarray, k: int, scale: Float[np.ndarray, " d"]) -> np.ndarray:
        return -0.5 * np.log(precisions) - np.log(scale)

    def publish(self, stack: Any, scale: Float[np.ndarray, " d"]) -> Published:
        deviation = np.exp(stack.log_scale) * scale
        with np.errstate(over="ignore", under="ignore"):
            return Published(deviation**2, deviation**-2.0, 1 / deviation)

    def as_full(self, stack: Any) -> MultivariateNormal:
        d = stack.loc.shape[-1]
        log_scale = np.broadcast_to(stack.log_scale, stack.loc.shape)
        return MultivariateNormal(stack.loc, np.eye(d) * log_scale[..., None])

    def of_full(self, stack: MultivariateNormal) -> AbstractExponentialFamily:
        log_scale = np.diagonal(stack.raw, axis1=-2, axis2=-1)
        return self.family(stack.loc, np.ascontiguousarray(log_scale[..., : 1 if self.one_scale else None]))

    def narrowest(self, covariances: np.ndarray) -> np.ndarray:
        return np.min(covariances.reshape(len(covariances), -1), axis=-1)

    def colour(self, component: Any, noise: Float[np.ndarray, "n d"]) -> np.ndarray:
        return noise * np.exp(component.log_scale)


class Spherical(Diagonal):
    """Each component has one variance for all columns."""

    family = SphericalNormal
    one_scale = True

    def template(self, d: int) -> AbstractExponentialFamily:
        return self.family(np.zeros(d), np.zeros(1))

    def shape(self, k: int, d: int) -> tuple[int, ...]:
        return (k,)

    def parameter(self, precisions: np.ndarray, k: int, scale: Float[np.ndarray, " d"]) -> np.ndarray:
        return super().parameter(precisions[:, None], k, scale[:1])

    def publish(self, stack: Any, scale: Float[np.ndarray, " d"]) -> Published:
        return Published(*(array[:, 0] for array in super().publish(stack, scale[:1])))


COVARIANCES: dict[str, Covariance] = {"full": Full(), "tied": Tied(), "diag": Diagonal(), "spherical": Spherical()}
