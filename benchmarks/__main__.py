"""`python -m benchmarks` runs all; `python -m benchmarks NAME ...` some, each in a process of its own.

What begins with a dash goes to the one before it: `python -m benchmarks convolutional --epochs 1`. `discrete` stands
for those of discrete latents. Long runs are made by their names only: see benchmarks/README.md.
"""

import subprocess
import sys

ALL = (
    "em_equality",
    "em_published",
    "em_oracles",
    "em_speed",
    "em_memory",
    "starts",
    "imputation",
    "startup",
    "cold_fit",
    "concrete_kl",
    "known_mixture",
    "lane2",
    "conditional_speed",
    "conditional_time",
    "calibration_wrong",
    "uci",
    "structured_prediction",
    "learned_density",
    "discrete_mixtures",
    "debd",
    "density_and_code",
    "linear_gaussian",
    "quadrature_iwae",
    "posterior_modes",
    "latent_speed",
    "latent_time",
    "optimisers",
    "collapse",
    "covariance",
    "noise_scale",
    "initial_weights",
    "compilation",
    "sklearn_checks",
)
LONG = ("iwae_mnist", "convolutional", "strong_decoder")
DISCRETE = ("learned_density", "discrete_mixtures", "debd", "density_and_code", "latent_speed")


def main() -> int:
    given = sys.argv[1:]
    options = next((i for i, text in enumerate(given) if text.startswith("-")), len(given))
    asked, rest = given[:options] or ALL, given[options:]
    names = [one for name in asked for one in (DISCRETE if name == "discrete" else (name,))]
    unknown = [name for name in names if name not in (*ALL, *LONG)]
    if unknown or (rest and len(names) > 1):
        what = f"Unknown: {', '.join(unknown)}." if unknown else f"{rest[0]} is for one benchmark."
        print(f"{what} There are: {', '.join((*ALL, *LONG))}.", file=sys.stderr)
        return 2
    return max(subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *rest]) for name in names)


if __name__ == "__main__":
    sys.exit(main())
