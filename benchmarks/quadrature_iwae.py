"""Quadrature against importance weights, on deep models with one and two normal latents.

Asked: they agree within their stated errors, and the 95 % intervals of the importance-weighted figure hold the
quadrature's in 95 ± 3 % of 300 repetitions. The models are networks of one hidden layer with random weights, 100 rows
drawn from each; the encoder is the regression of the latent on the row, with its residual scale widened by a half.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import report
from tacit.data.batch import Batch
from tacit.distributions import DiagonalNormal
from tacit.evaluation.quadrature import quadrature
from tacit.evaluation.weights import weighted
from tacit.models import AbstractConditional, Constant, LatentModel
from tacit.networks import Linear

ROWS, COLUMNS, WIDTH, REPETITIONS, SAMPLES = 100, 6, 16, 300, 64
SCALE = 0.5


class Decoder(AbstractConditional):
    """`z -> N(W tanh(V z + a) + b, scale²)`."""

    hidden: Linear
    head: Linear

    def __call__(self, context):
        loc = self.head(jnp.tanh(self.hidden(context[0])))
        return DiagonalNormal(loc, jnp.full(COLUMNS, np.log(SCALE)))


class Regression(AbstractConditional):
    """`y -> N(A y + c, s²)`."""

    head: Linear
    log_scale: jax.Array

    def __call__(self, context):
        return DiagonalNormal(self.head(context[0]), self.log_scale)


def problem(latents: int) -> tuple[LatentModel, Regression, Batch]:
    keys = jax.random.split(jax.random.key(latents), 4)
    decoder = Decoder(Linear.init(keys[0], latents, WIDTH, gain=1.5), Linear.init(keys[1], WIDTH, COLUMNS, gain=2.0))
    model = LatentModel(Constant(DiagonalNormal(jnp.zeros(latents), jnp.zeros(latents))), decoder)
    z, y = (np.asarray(a) for a in jax.vmap(model.sample)(jax.random.split(keys[2], 20_000)))
    design = np.c_[y, np.ones(len(y))]
    found = np.linalg.lstsq(design, z, rcond=None)[0]
    spread = 1.5 * (z - design @ found).std(axis=0)
    encoder = Regression(Linear(jnp.asarray(found[:-1].T), jnp.asarray(found[-1])), jnp.log(jnp.asarray(spread)))
    return model, encoder, Batch(y[:ROWS], None, None, None, None)


def main() -> None:
    rows = []
    for latents in (1, 2):
        model, encoder, data = problem(latents)
        began = time.perf_counter()
        with jax.enable_x64(True):
            double = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), (model, encoder))
            truth = quadrature(*double, data, tolerance=1e-6)
        seconds = time.perf_counter() - began
        single = quadrature(model, encoder, data)
        began, gaps, errors, doubtful, rowwise = time.perf_counter(), [], [], [], []
        for i in range(REPETITIONS):
            found = weighted(model, encoder, data, num_samples=SAMPLES, key=jax.random.key(i), tile=ROWS)
            corrected = found.jackknife - found.jackknife_bias
            gaps.append(np.mean(corrected - truth.log_p))
            errors.append(np.sqrt(np.sum(found.error**2)) / ROWS)
            doubtful.append(np.mean(found.k_hat > 0.7))
            rowwise.append(np.abs(corrected - truth.log_p) < 1.96 * found.error)
        gap, error = np.array(gaps), np.array(errors)
        covered = np.mean(np.abs(gap) < 1.96 * error)
        rows.append(
            {
                "latents": latents,
                "log-likelihood by quadrature": truth.log_p.mean(),
                "its largest error of a row": truth.error.max(),
                "float32 against float64, largest of a row": np.abs(single.log_p - truth.log_p).max(),
                "quadrature, s": seconds,
                "mean gap of importance weights": gap.mean(),
                "its error": gap.std() / np.sqrt(REPETITIONS),
                "stated Monte Carlo error": error.mean(),
                "actual": gap.std(),
                "covered": covered,
                "asked": "0.92 to 0.98",
                "met": bool(abs(covered - 0.95) <= 0.03),
                "covered, single rows": np.mean(rowwise),
                "rows with k-hat above .7": np.mean(doubtful),
                "a repetition, s": (time.perf_counter() - began) / REPETITIONS,
            }
        )
    note = f"{4 * SAMPLES} draws, {ROWS} rows, {REPETITIONS} repetitions; jackknifed, its remaining bias taken away."
    report("quadrature_iwae", rows, note)


if __name__ == "__main__":
    main()
