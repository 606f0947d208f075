"""Which scale of the noise suits a VAE as it comes: one a column, or by the network, above floors of three heights.

`VAE()` with its 8 latents, its networks and its early stopping, on the tables of `covariance` in the same folds;
held-out log-likelihoods in nats a row, estimated.

    python -m benchmarks noise_scale
"""

from benchmarks._common import report
from benchmarks.covariance import TABLES, held_out
from tacit import VAE

SCALES = {
    "shared (the default)": {},
    **{f"floored at {floor}": {"scale": "floored", "scale_floor": floor} for floor in (0.003, 0.03, 0.1)},
}


def main() -> None:
    models = {name: VAE(likelihood="gaussian", random_state=0, **settings) for name, settings in SCALES.items()}
    report("noise_scale", [held_out(table, name, model) for table in TABLES for name, model in models.items()])


if __name__ == "__main__":
    main()
