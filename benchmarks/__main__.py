"""`python -m benchmarks` runs all; `python -m benchmarks NAME ...` some, each in a process of its own."""

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
    "quadrature_iwae",
    "latent_speed",
    "sklearn_checks",
)


def main() -> int:
    names = sys.argv[1:] or ALL
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}. There are: {', '.join(ALL)}.", file=sys.stderr)
        return 2
    return max(subprocess.call([sys.executable, "-m", f"benchmarks.{name}"]) for name in names)


if __name__ == "__main__":
    sys.exit(main())
