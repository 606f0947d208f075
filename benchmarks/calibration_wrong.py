"""Calibration where normal components are the wrong ones: skewed, heavy-tailed and heteroscedastic targets.

2,000 rows to learn from, 4,000 new ones to judge; one component (which is wrong on purpose) and the default. Asked:
PIT and coverage shown, and stated plainly where they fail.
"""

import warnings

import numpy as np

from benchmarks._common import report
from tacit import ConditionalMixture


def draw(name: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = rng.uniform(-1, 1, size=(n, 2))
    centre = np.sin(3 * x[:, 0]) + x[:, 1]
    noise = {
        "skewed": lambda: rng.gamma(1.0, size=n) - 1.0,
        "heavy tails": lambda: rng.standard_t(2.5, size=n),
        "heteroscedastic": lambda: np.exp(1.5 * x[:, 0]) * rng.normal(size=n),
    }[name]()
    return x, centre + 0.5 * noise


def main() -> None:
    rows = []
    for name in ("skewed", "heavy tails", "heteroscedastic"):
        rng = np.random.default_rng(0)
        (x, y), (new_x, new_y) = draw(name, 2000, rng), draw(name, 4000, rng)
        for label, parameters in (("one component", {"n_components": 1}), ("default", {})):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = ConditionalMixture(**parameters, target_support="real", random_state=0).fit(x, y)
                told = model.calibration(new_x, new_y)
            low, high = model.predict_interval(new_x, coverage=0.9).T
            rows.append(
                {
                    "target": name,
                    "model": label,
                    "nats a row": told.log_score.value,
                    "90 % intervals hold": float(np.mean((low <= new_y) & (new_y <= high))),
                    "PIT p": told.pit.p_value,
                    "verdict": told.verdict.text,
                }
            )
    report("calibration_wrong", rows)


if __name__ == "__main__":
    main()
