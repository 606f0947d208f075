"""`python -m benchmarks` runs all; `python -m benchmarks NAME ...` some, each in a process of its own.

`discrete` stands for those of discrete latents. Long runs have commands of their own: see benchmarks/README.md.
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
    "calibration_wrong",
    "uci",
    "structured_prediction",
    "learned_density",
    "discrete_mixtures",
    "debd",
    "density_and_code",
    "linear_gaussian",
    "quadrature_iwae",
    "latent_speed",
    "sklearn_checks",
)
DISCRETE = ("learned_density", "discrete_mixtures", "debd", "density_and_code", "latent_speed")


def main() -> int:
    names = [one for name in sys.argv[1:] or ALL for one in (DISCRETE if name == "discrete" else (name,))]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}. There are: {', '.join(ALL)}.", file=sys.stderr)
        return 2
    return max(subprocess.call([sys.executable, "-m", f"benchmarks.{name}"]) for name in names)


if __name__ == "__main__":
    sys.exit(main())
