"""Which settings compete for a conditional mixture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tacit.workflow.conditional_plan import Candidate, Inference, Latent, grid

SEARCHED = ("k", "width", "weight_decay", "noise", "target_noise", "floor")

REGRESSIONS = (1, 2, 3, 4, 5)  # numbers of components that inference="em" compares

# From sharp to smooth. Noise on covariates and targets decides most on small tables (see docs/decisions).
SMALL: tuple[dict[str, Any], ...] = (
    {"k": 3},
    {"k": 3, "target_noise": 0.05},
    {"k": 3, "noise": 0.02, "target_noise": 0.1, "weight_decay": 0.1},
    {"k": 3, "noise": 0.15, "target_noise": 0.1},
    {"k": 5, "noise": 0.3, "target_noise": 0.1, "width": 32, "floor": 0.03},
    {"k": 1, "noise": 0.05, "target_noise": 0.02},
)

# For many rows: more components in place of noise.
MANY: tuple[dict[str, Any], ...] = (
    {"k": 3},
    {"k": 5},
    {"k": 8},
    {"k": 5, "target_noise": 0.05},
    {"k": 3, "noise": 0.05, "target_noise": 0.05, "weight_decay": 0.1},
)


def candidates_for(
    search: str | None,
    base: Candidate,
    *,
    free: tuple[str, ...] = SEARCHED,
    latent: Latent,
    inference: Inference = "exact",
    ks: tuple[int, ...] = (),
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """The candidates of a search for few and for many rows: those above in the settings that are `free`.

    Without a search (None) it is `base` alone. A relaxed category has one number of components, which is not searched.
    With several `ks` every candidate competes with each. EM knows no setting but k, of which it compares `REGRESSIONS`.

    >>> few, many = candidates_for("small", Candidate(k=2), free=("noise",), latent="categorical")
    >>> few[1].noise, [one.noise for one in many]
    (0.02, [0.0, 0.05])
    """
    if inference == "em":
        ks, search = ks or (REGRESSIONS if search is not None and "k" in free else ()), None
    varied = [name for name in free if name != "k" or latent == "categorical"]

    def among(table: tuple[dict[str, Any], ...]) -> tuple[Candidate, ...]:
        found = [replace(base, **{name: one[name] for name in varied if name in one}) for one in table]
        return tuple(dict.fromkeys(one for candidate in found for one in _with_ks(candidate, ks)))

    return (among(({},)), ()) if search is None else (among(SMALL), among(MANY))


def _with_ks(candidate: Candidate, ks: tuple[int, ...]) -> tuple[Candidate, ...]:
    return grid(candidate, k=ks) if len(ks) > 1 else (candidate,)
