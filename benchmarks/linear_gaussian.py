"""The linear-Gaussian model by four procedures against the closed-form maximum and scikit-learn's factor analysis.

Asked: EM and deterministic joint training within 1e-6 nats a row of the best log-likelihood known; Monte Carlo training
1e-3; at the exact encoder the ELBO is the log-likelihood to 1e-12. Columns standardised, constant ones dropped,
divisor n.
"""

import sys
import time
import warnings
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import ConvergenceWarning

from benchmarks._common import report
from tacit.data.batch import Batch
from tacit.distributions import MultivariateNormal
from tacit.gradients import StickingTheLanding
from tacit.gradients.cubature import Cubature
from tacit.inference.amortised import Amortised
from tacit.inference.joint import Joint
from tacit.inference.linear_em import fit_linear
from tacit.inference.local import Local
from tacit.inference.optimizers import Descent
from tacit.models import Constant
from tacit.models.linear_gaussian import LinearEncoder, LinearGaussianModel, WhitenedEncoder
from tacit.models.local import PerRow
from tacit.objectives import ELBO
from tacit.training import train
from tacit.workflow.linear_end import climb

SETS = {"wine": (load_wine, 2), "wdbc": (load_breast_cancer, 3), "digits": (load_digits, 3)}
STEPS = {"joint": 1000, "local": 3000, "amortised": 6000, "sampled": 12_000}  # of Adam
MOST = 5000  # steps of L-BFGS that joint training without draws goes on with
FLOOR = 1e-12
STARTS = 5  # with diagonal noise, which has several optima: as many as `LinearGaussian` has of EM
MANY = 30  # starts of EM, for the best that is known there
WAYS = ("em", "joint", "local", "amortised", "sampled")
NOTE = (
    "The best known is the closed form for isotropic noise; for diagonal noise, which has several optima, the best of "
    f"all of these, of EM from {MANY} starts and of scikit-learn's FactorAnalysis (tol 1e-9, 3,000 steps at most, one "
    f"start). With diagonal noise a procedure is the best of its {STARTS} starts."
)
ASKED = {"amortised": 1e-3, "sampled": 1e-3}  # nats a row; of the others 1e-6


def standardised(load) -> np.ndarray:
    X = load().data
    X = X[:, X.std(0) > 0]
    return (X - X.mean(0)) / X.std(0)


def closed_form(X: np.ndarray, m: int) -> float:
    d = X.shape[1]
    values = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    noise = values[m:].mean()
    return float(-0.5 * (d * np.log(2 * np.pi) + np.log(values[:m]).sum() + (d - m) * np.log(noise) + d))


def peer(X: np.ndarray, m: int) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = FactorAnalysis(m, tol=1e-9, max_iter=3000, svd_method="lapack").fit(X)
    return float(found.score(X))


def by_em(X: np.ndarray, start: LinearGaussianModel) -> tuple[LinearGaussianModel, int]:
    data = Batch(X, None, None, np.ones(len(X)), None)
    found = fit_linear(start, data, floor=FLOOR, max_steps=20_000, tolerance=1e-9)
    return found.model, len(found.bounds)


def by_gradient(X: np.ndarray, start: LinearGaussianModel, way: str) -> tuple[LinearGaussianModel, int]:
    n, d = X.shape
    m = start.likelihood.weight.shape[1]
    data = Batch(X, None, None, np.ones(n), None)
    steps = STEPS[way]
    encoder = LinearEncoder.zeros(d, m)
    posterior, procedure, gradient, shares, draws, rate = encoder, Joint, Cubature(), (1.0, 1.0), 1, 0.02
    if way == "amortised":
        procedure, shares = partial(Amortised, phi_steps=1), (0.5, 0.5)
    elif way == "local":
        prior = Constant(MultivariateNormal(jnp.zeros(m), jnp.zeros((m, m))))
        posterior, procedure = PerRow.of(prior, n_rows=n, sample=(jnp.zeros(d), None)), Local
    else:
        posterior = WhitenedEncoder.of(encoder, X, data.weight)
    if way == "sampled":
        gradient, draws, rate = StickingTheLanding(), 4, 0.05
    fitted = train(
        start,
        posterior,
        data,
        key=jax.random.key(1),
        gradient=gradient,
        num_samples=draws,
        optimizer=tuple(Descent(rate, decay_steps=float(steps * share)) for share in shares),
        procedure=procedure,
        batch_size=n,
        max_epochs=steps,
    )
    model, posterior = jax.tree.map(jnp.asarray, (fitted.model, fitted.posterior))
    if way != "joint":
        return model, steps
    end = climb(model, posterior, data, jnp.full(1, FLOOR), most=MOST, tolerance=1e-9)
    return end.model, steps + len(end.bounds) - 1


@eqx.filter_jit
def mean_log_density(model: LinearGaussianModel, X: jax.Array) -> jax.Array:
    return jnp.mean(jax.vmap(lambda y: model.log_marginal(y))(X))


@eqx.filter_jit
def tightness(model: LinearGaussianModel, X: jax.Array) -> jax.Array:
    """The ELBO at the exact encoder less the log-likelihood, nats a row."""
    batch = Batch(X, None, None, jnp.ones(len(X)), jnp.arange(len(X)))
    judge = Joint(ELBO(), Cubature(), Descent())
    bound, _ = judge.total(jax.random.key(0), model, LinearEncoder.exact(model), batch, None)
    return bound / len(X) - mean_log_density(model, X)


def fitted(X: np.ndarray, m: int, way: str, isotropic: bool, start: int) -> tuple[float, LinearGaussianModel, int]:
    """The mean log-likelihood that a procedure comes to, the model, and the steps."""
    begin = LinearGaussianModel.start(jax.random.key(start), X.shape[1], m, isotropic=isotropic)
    model, steps = by_em(X, begin) if way == "em" else by_gradient(X, begin, way)
    return float(mean_log_density(model, jnp.asarray(X))), model, steps


def figures(name: str, isotropic: bool) -> list[dict[str, Any]]:
    """Every procedure on a data set, judged by the best log-likelihood that is known there."""
    load, m = SETS[name]
    X = standardised(load)
    rows = []
    for way in WAYS:
        began = time.perf_counter()
        fits = [fitted(X, m, way, isotropic, i) for i in range(1 if isotropic else STARTS)]
        reached, model, steps = max(fits, key=lambda fit: fit[0])
        rows.append(
            {
                "data": name,
                "latents": m,
                "noise": "isotropic" if isotropic else "diagonal",
                "inference": way,
                "steps": steps,
                "reached, nats a row": reached,
                "starts as good": f"{sum(reached - fit[0] <= 1e-3 for fit in fits)} of {len(fits)}",
                "ELBO - log p at the exact encoder": float(tightness(model, jnp.asarray(X))),
                "seconds": time.perf_counter() - began,
            }
        )
        print(rows[-1], flush=True)
    if isotropic:
        return [judged(row, closed_form(X, m), None) for row in rows]
    plain = peer(X, m)
    more = [fitted(X, m, "em", isotropic, i)[0] for i in range(STARTS, MANY)]
    best = max(plain, *more, *(row["reached, nats a row"] for row in rows))
    return [judged(row, best, plain) for row in rows]


def judged(row: dict[str, Any], best: float, plain: float | None) -> dict[str, Any]:
    """The row with its gaps to the best that is known, and to scikit-learn."""
    reached, asked = row["reached, nats a row"], ASKED.get(row["inference"], 1e-6)
    against = {
        "short of the best known": best - reached,
        "asked": asked,
        "met": bool(abs(best - reached) <= asked),
        "short of FactorAnalysis": "" if plain is None else plain - reached,
    }
    return row | against


def main() -> None:
    with jax.enable_x64(True):
        rows = [row for name in sys.argv[1:] or SETS for noise in (True, False) for row in figures(name, noise)]
    report("linear_gaussian", rows, NOTE)


if __name__ == "__main__":
    main()
