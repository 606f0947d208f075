"""The contract table of exponential families: each row knows, in NumPy and SciPy alone, what its family must give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats

from tacit.distributions import (
    Bernoulli,
    CategoricalColumns,
    DiagonalNormal,
    LinearNormal,
    MultivariateNormal,
    Poisson,
    Product,
    SphericalNormal,
    TiedMultivariateNormal,
)

LEVELS = 4


def diagonals(matrices: np.ndarray) -> np.ndarray:
    return np.diagonal(matrices, axis1=1, axis2=2)


class Oracle:
    """A stack of k members over d columns, its parameters held in NumPy."""

    def n_parameters(self) -> int:
        """One a column, unless a row says otherwise."""
        return self.k * self.d

    def features(self, rows: np.ndarray) -> np.ndarray:
        """What `moments` is about."""
        return rows

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n rows from each member in turn."""
        return np.concatenate([self.draw_member(rng, j, n) for j in range(self.k)])

    def free(self, gradient: Any) -> list[np.ndarray]:
        """The gradient with respect to the free parameters."""
        return [np.asarray(leaf) for leaf in jax.tree.leaves(gradient)]


class Normals(Oracle):
    def __init__(self, rng: np.random.Generator, k: int, d: int) -> None:
        self.k, self.d = k, d
        self.means = rng.normal(0, 2, (k, d))
        root = rng.normal(0, 0.4, (k, d, d)) + np.eye(d)
        self.covariances = self.constrain(root @ root.swapaxes(1, 2), np.ones((k, d)))
        self.regularise = rng.uniform(0.01, 0.5, d)

    def log_prob(self, j: int, y: np.ndarray, seen: np.ndarray) -> float:
        if not seen.any():
            return 0.0
        covariance = self.covariances[j][np.ix_(seen, seen)]
        return scipy.stats.multivariate_normal(self.means[j, seen], covariance).logpdf(y[seen])

    def moments(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        return self.means[j], self.covariances[j]

    def draw_member(self, rng: np.random.Generator, j: int, n: int) -> np.ndarray:
        return rng.multivariate_normal(self.means[j], self.covariances[j], n)

    def grid(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        """Trapezium points and weights, which are exact for a normal at this spacing."""
        sd = np.sqrt(np.diag(self.covariances[j]))
        axes = [m + s * np.linspace(-9, 9, 61) for m, s in zip(self.means[j], sd, strict=True)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, self.d)
        return points, np.full(len(points), np.prod(0.3 * sd))

    def estimate(self, rows: np.ndarray, weights: np.ndarray, seen: np.ndarray, r: Any) -> list[np.ndarray]:
        masses = weights.T @ seen
        means = weights.T @ (rows * seen) / masses
        if seen.all():
            covariances = [np.cov(rows, rowvar=False, ddof=0, aweights=w).reshape(self.d, self.d) for w in weights.T]
        else:
            squares = (rows[:, None] - means) ** 2 * seen[:, None]
            covariances = [np.diag(v) for v in np.einsum("nk,nkd->kd", weights, squares) / masses]
        floor = self.constrain(np.tile(np.diag(r * np.ones(self.d)), (self.k, 1, 1)), np.ones_like(masses))
        return [means, self.constrain(np.stack(covariances), masses) + floor]


class Full(Normals):
    kind: ClassVar[Any] = MultivariateNormal

    def constrain(self, covariances: np.ndarray, masses: np.ndarray) -> np.ndarray:
        return covariances

    def family(self) -> Any:
        return self.kind.from_covariance(jnp.asarray(self.means), jnp.asarray(self.covariances))

    def read(self, family: Any) -> list[Any]:
        return [family.loc, family.covariance]

    def n_parameters(self) -> int:
        return self.k * (self.d + self.d * (self.d + 1) // 2)

    def expected_statistics(self, j: int, y: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """E[statistics of y - mean | present cells]."""
        covariance, missing = self.covariances[j], ~seen
        c = np.where(seen, y, 0.0) - np.where(seen, self.means[j], 0.0)
        remaining = np.zeros((self.d, self.d))
        if missing.any():
            across = covariance[np.ix_(missing, seen)]
            slopes = np.linalg.solve(covariance[np.ix_(seen, seen)], across.T).T
            c[missing] = slopes @ c[seen]
            remaining[np.ix_(missing, missing)] = covariance[np.ix_(missing, missing)] - slopes @ across.T
        second = np.outer(c, c) + remaining
        return np.concatenate([second[np.triu_indices(self.d)], c, [1.0]])


class Tied(Full):
    kind = TiedMultivariateNormal

    def constrain(self, covariances: np.ndarray, masses: np.ndarray) -> np.ndarray:
        return np.tile(np.average(covariances, axis=0, weights=masses[:, 0]), (self.k, 1, 1))

    def n_parameters(self) -> int:
        return self.k * self.d + self.d * (self.d + 1) // 2

    def free(self, gradient: Any) -> list[np.ndarray]:
        return [np.asarray(gradient.loc), np.asarray(gradient.raw).sum(0)]


class Diagonal(Normals):
    def constrain(self, covariances: np.ndarray, masses: np.ndarray) -> np.ndarray:
        return covariances * np.eye(self.d)

    def family(self) -> Any:
        return DiagonalNormal(jnp.asarray(self.means), 0.5 * jnp.log(diagonals(self.covariances)))

    def read(self, family: Any) -> list[Any]:
        return [family.loc, family.variance[..., None] * np.eye(self.d)]

    def n_parameters(self) -> int:
        return 2 * self.k * self.d

    def expected_statistics(self, j: int, y: np.ndarray, seen: np.ndarray) -> np.ndarray:
        c = np.where(seen, y - self.means[j], 0.0)
        return np.concatenate([c**2, c, seen])


class Spherical(Diagonal):
    def constrain(self, covariances: np.ndarray, masses: np.ndarray) -> np.ndarray:
        variances = np.average(diagonals(covariances), axis=1, weights=masses)
        return variances[:, None, None] * np.eye(self.d)

    def family(self) -> Any:
        return SphericalNormal(jnp.asarray(self.means), 0.5 * jnp.log(diagonals(self.covariances)[:, :1]))

    def n_parameters(self) -> int:
        return self.k * (self.d + 1)


class Counts(Oracle):
    """Independent columns with one parameter each, their mean."""

    regularise = 0.7

    def __init__(self, rng: np.random.Generator, k: int, d: int) -> None:
        self.k, self.d = k, d
        self.means = rng.uniform(*self.span, (k, d))

    def log_prob(self, j: int, y: np.ndarray, seen: np.ndarray) -> float:
        return self.law(self.means[j, seen]).logpmf(y[seen]).sum()

    def moments(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        return self.means[j], np.diag(self.law(self.means[j]).var())

    def draw_member(self, rng: np.random.Generator, j: int, n: int) -> np.ndarray:
        return self.law(self.means[j]).rvs((n, self.d), random_state=rng).astype(float)

    def grid(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        points = np.stack(np.meshgrid(*[np.arange(self.largest + 1.0)] * self.d), -1)
        return points.reshape(-1, self.d), np.ones(points[..., 0].size)

    def expected_statistics(self, j: int, y: np.ndarray, seen: np.ndarray) -> np.ndarray:
        return np.concatenate([np.where(seen, y, 0.0), seen])


class Binaries(Counts):
    span, largest, law = (0.1, 0.9), 1, staticmethod(scipy.stats.bernoulli)

    def family(self) -> Any:
        return Bernoulli(jnp.log(self.means) - jnp.log1p(-self.means))

    def read(self, family: Any) -> list[Any]:
        return [family.probs]

    def estimate(self, rows: np.ndarray, weights: np.ndarray, seen: np.ndarray, r: Any) -> list[np.ndarray]:
        return [(weights.T @ (rows * seen) + r / 2) / (weights.T @ seen + r)]


class Poissons(Counts):
    span, largest, law = (0.5, 6.0), 45, staticmethod(scipy.stats.poisson)

    def family(self) -> Any:
        return Poisson(jnp.log(self.means))

    def read(self, family: Any) -> list[Any]:
        return [family.rate]

    def estimate(self, rows: np.ndarray, weights: np.ndarray, seen: np.ndarray, r: Any) -> list[np.ndarray]:
        total, mass = weights.T @ (rows * seen), weights.T @ seen
        overall = (total.sum(0) + r) / (mass.sum(0) + r)
        return [(total + r * overall) / (mass + r)]


class Codes(Oracle):
    d, regularise = 2, 0.7

    def __init__(self, rng: np.random.Generator, k: int, d: int) -> None:
        self.k = k
        self.probs = rng.dirichlet(np.full(LEVELS, 5.0), (k, self.d))

    def family(self) -> Any:
        return CategoricalColumns(jnp.log(self.probs) + 1.0)  # logits need not be normalised

    def log_prob(self, j: int, y: np.ndarray, seen: np.ndarray) -> float:
        return sum(np.log(p[int(v)]) for p, v, there in zip(self.probs[j], y, seen, strict=True) if there)

    def features(self, rows: np.ndarray) -> np.ndarray:
        return np.eye(LEVELS)[rows.astype(int)].reshape(len(rows), -1)

    def moments(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        p = self.probs[j]
        return p.ravel(), scipy.linalg.block_diag(*(np.diag(one) - np.outer(one, one) for one in p))

    def draw_member(self, rng: np.random.Generator, j: int, n: int) -> np.ndarray:
        return np.stack([rng.choice(LEVELS, n, p=p) for p in self.probs[j]], axis=1).astype(float)

    def grid(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        points = np.stack(np.meshgrid(*self.d * [np.arange(float(LEVELS))], indexing="ij"), -1).reshape(-1, self.d)
        return points, np.ones(len(points))

    def estimate(self, rows: np.ndarray, weights: np.ndarray, seen: np.ndarray, r: Any) -> list[np.ndarray]:
        there = np.repeat(seen, LEVELS, axis=1)
        counts = (weights.T @ (self.features(rows) * there)).reshape(self.k, self.d, LEVELS) + r / LEVELS
        return [counts / counts.sum(2, keepdims=True)]

    def read(self, family: Any) -> list[Any]:
        return [family.probs]

    def n_parameters(self) -> int:
        return self.k * self.d * (LEVELS - 1)

    def expected_statistics(self, j: int, y: np.ndarray, seen: np.ndarray) -> np.ndarray:
        return (np.eye(LEVELS)[y.astype(int)] * seen[:, None]).ravel()


class Blocks(Oracle):
    """A product: every question goes to the blocks, on their own columns."""

    kinds: ClassVar[tuple[Any, ...]]

    def __init__(self, rng: np.random.Generator, k: int, d: int) -> None:
        self.k = k
        self.blocks = [kind(rng, k, d) for kind in self.kinds]
        stops = np.cumsum([block.d for block in self.blocks])
        self.d, self.slices = int(stops[-1]), [slice(t - b.d, t) for b, t in zip(self.blocks, stops, strict=True)]
        self.regularise = tuple(block.regularise for block in self.blocks)

    def parts(self) -> Iterator[tuple[Any, slice]]:
        return zip(self.blocks, self.slices, strict=True)

    def family(self) -> Any:
        return Product(tuple(block.family() for block in self.blocks))

    def log_prob(self, j: int, y: np.ndarray, seen: np.ndarray) -> float:
        return sum(block.log_prob(j, y[s], seen[s]) for block, s in self.parts())

    def features(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([block.features(rows[:, s]) for block, s in self.parts()], 1)

    def moments(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        means, covariances = zip(*(block.moments(j) for block in self.blocks), strict=True)
        return np.concatenate(means), scipy.linalg.block_diag(*covariances)

    def draw_member(self, rng: np.random.Generator, j: int, n: int) -> np.ndarray:
        return np.concatenate([block.draw_member(rng, j, n) for block in self.blocks], 1)

    def grid(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        points, weights = np.zeros((1, 0)), np.ones(1)
        for block in self.blocks:
            more, factor = block.grid(j)
            points = np.concatenate([np.repeat(points, len(more), 0), np.tile(more, (len(points), 1))], 1)
            weights = np.outer(weights, factor).ravel()
        return points, weights

    def estimate(self, rows: np.ndarray, weights: np.ndarray, seen: np.ndarray, r: Any) -> list[np.ndarray]:
        parts = zip(self.parts(), r, strict=True)
        return [x for (b, s), q in parts for x in b.estimate(rows[:, s], weights, seen[:, s], q)]

    def read(self, family: Any) -> list[Any]:
        return [x for b, f in zip(self.blocks, family.blocks, strict=True) for x in b.read(f)]

    def free(self, gradient: Any) -> list[np.ndarray]:
        return [x for b, g in zip(self.blocks, gradient.blocks, strict=True) for x in b.free(g)]

    def n_parameters(self) -> int:
        return sum(block.n_parameters() for block in self.blocks)

    def expected_statistics(self, j: int, y: np.ndarray, seen: np.ndarray) -> np.ndarray:
        return np.concatenate([block.expected_statistics(j, y[s], seen[s]) for block, s in self.parts()])


class FullBinariesCodes(Blocks):
    kinds = (Full, Binaries, Codes)


class CodesTiedPoissonsDiagonal(Blocks):
    kinds = (Codes, Tied, Poissons, Diagonal)


class Regressions(Oracle):
    """d targets given two covariates; rows with a hole say nothing."""

    P = 2

    def __init__(self, rng: np.random.Generator, k: int, d: int) -> None:
        self.k, self.targets, self.d = k, d, d + self.P
        self.normals = self.kind(rng, k, d)
        self.slopes = rng.normal(0, 1, (k, d, self.P))
        self.regularise = (self.normals.regularise, 0.3)

    def family(self) -> Any:
        return LinearNormal(self.normals.family(), jnp.asarray(self.slopes))

    def mean(self, j: int, x: np.ndarray) -> np.ndarray:
        return self.normals.means[j] + x @ self.slopes[j].T

    def log_prob(self, j: int, y: np.ndarray, seen: np.ndarray) -> float:
        if not seen.all():
            return 0.0
        mean = self.mean(j, y[self.targets :])
        return scipy.stats.multivariate_normal(mean, self.normals.covariances[j]).logpdf(y[: self.targets])

    def features(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, : self.targets]

    def moments(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        """At x = 0."""
        return self.normals.moments(j)

    def draw_member(self, rng: np.random.Generator, j: int, n: int) -> np.ndarray:
        x = rng.normal(0, 1, (n, self.P))
        error = rng.multivariate_normal(np.zeros(self.targets), self.normals.covariances[j], n)
        return np.concatenate([self.mean(j, x) + error, x], 1)

    def grid(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        """Over y at one x."""
        points, weights = self.normals.grid(j)
        x = np.array([0.4, -0.3])
        return np.concatenate([points + x @ self.slopes[j].T, np.tile(x, (len(points), 1))], 1), weights

    def estimate(self, rows: np.ndarray, weights: np.ndarray, seen: np.ndarray, r: Any) -> list[np.ndarray]:
        floor, ridge = r
        weights = weights * seen.all(1)[:, None]
        y, design = rows[:, : self.targets], np.insert(rows[:, self.targets :], 0, 1.0, axis=1)
        penalty = np.sqrt(ridge) * np.eye(self.P, self.P + 1, 1)
        found = []
        for w in np.sqrt(weights.T):
            left, right = np.concatenate([w[:, None] * design, penalty]), w[:, None] * y
            right = np.concatenate([right, np.zeros((self.P, self.targets))])
            found.append(np.linalg.lstsq(left, right, rcond=None)[0].T)
        maps = np.stack(found)
        residuals = y - np.einsum("kdq,nq->knd", maps, design)
        masses = np.tile(weights.sum(0)[:, None], self.targets)
        scatter = np.einsum("nk,knd,kne->kde", weights, residuals, residuals)
        added = np.tile(np.diag(floor * np.ones(self.targets)), (self.k, 1, 1))
        covariances = self.normals.constrain(scatter / masses[..., None], masses)
        return [maps[..., 0], maps[..., 1:], covariances + self.normals.constrain(added, np.ones_like(masses))]

    def read(self, family: Any) -> list[Any]:
        return [family.normal.loc, family.slopes, self.normals.read(family.normal)[1]]

    def free(self, gradient: Any) -> list[np.ndarray]:
        return [*self.normals.free(gradient.normal), np.asarray(gradient.slopes)]

    def n_parameters(self) -> int:
        return self.normals.n_parameters() + self.k * self.targets * self.P

    def expected_statistics(self, j: int, y: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Of the residuals and x; 0 with a hole."""
        x = y[self.targets :]
        row = np.concatenate([y[: self.targets] - self.mean(j, x), x])
        return np.concatenate([np.outer(row, row)[np.triu_indices(self.d)], row, [1.0]]) * seen.all()


class FullRegressions(Regressions):
    kind = Full


class DiagonalRegressions(Regressions):
    kind = Diagonal


NORMALS = [Full, Tied, Diagonal, Spherical]
REGRESSIONS = [FullRegressions, DiagonalRegressions]
TABLE = [*NORMALS, *REGRESSIONS, Binaries, Poissons, Codes, FullBinariesCodes, CodesTiedPoissonsDiagonal]


@pytest.fixture
def double() -> Iterator[None]:
    """Float64 for the length of a test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=TABLE, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, double: None) -> Any:
    """A row of the contract table: `kind(rng, k, columns of a block)`."""
    return request.param


@pytest.fixture(params=NORMALS, ids=lambda kind: kind.__name__)
def normal_kind(request: pytest.FixtureRequest, double: None) -> Any:
    """A row with a location."""
    return request.param


@pytest.fixture
def oracle(kind: Any) -> Any:
    """Three members, three columns a block."""
    return kind(np.random.default_rng(0), 3, 3)
