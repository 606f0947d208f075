"""The two products with missing cells and mixed blocks against per-row oracles. Asked: 1e-12."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._common import report
from tacit.inference import em
from tacit.inference.tiles import make_tiles

ORACLES = Path(__file__).parent.parent / "tests/inference/test_em.py"


def main() -> None:
    spec = importlib.util.spec_from_file_location("oracles", ORACLES)
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    rows = []
    with jax.enable_x64(True):
        for holes in (False, True):
            for precise in (False, True):
                p, y = oracle.parameters(0), oracle.table(1, holes)
                w = np.random.default_rng(2).uniform(0, 2, len(y))
                pop = oracle.population(p)
                tiles = jax.tree.map(jnp.asarray, make_tiles(y, width=16, weight=w[:, None], pattern_columns=(0, 1)))
                summary = em.summarise(pop, tiles, precise=precise)
                total = w @ np.logaddexp.reduce(oracle.joints_by_row(p, y), axis=1)
                better = em.maximise(pop, summary, oracle.NO_PRIOR, centred=em.is_centred(pop, tiles, precise))
                expected, found = oracle.step_by_row(p, y, w), oracle.as_dict(better)
                worst = max(float(np.max(np.abs(found[key] - expected[key]))) for key in expected)
                first = abs(float(summary.log_likelihood[0]) / total - 1)
                rows.append(
                    {
                        "missing cells": holes,
                        "path": "residuals" if precise else "two products",
                        "E-step, relative": first,
                        "M-step, largest difference": worst,
                        "met": max(first, worst) <= 1e-12,
                    }
                )
    report("em_oracles", rows, "Normal (2 columns, full), Bernoulli, categorical and Poisson blocks; weighted rows.")


if __name__ == "__main__":
    main()
