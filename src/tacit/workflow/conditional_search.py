"""Which settings compete for a conditional mixture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tacit.workflow.conditional_plan import Candidate, Latent

# From sharp to smooth. Noise on covariates and targets decides most on small tables (see docs/decisions).
SMALL: tuple[dict[str, Any], ...] = (
    {"k": 3},
    {"k": 3, "target_noise": 0.05},
    {"k": 3, "noise": 0.02, "target_noise": 0.1, "weight_decay": 0.1},
    {"k": 3, "noise": 0.15, "target_noise": 0.1},
    {"k": 5, "noise": 0.3, "target_noise": 0.1, "width": 32, "floor": 0.03},
    {"k": 1, "noise": 0.05, "target_noise": 0.02},
)


def candidates_for(
    search: str | None, base: Candidate, *, free: tuple[str, ...] = tuple(SMALL[-1]), latent: Latent
) -> tuple[Candidate, ...]:
    """The candidates of a search: `base` alone for None; for "small" those above in the settings that are `free`.

    A relaxed category has one number of components, which is not searched.

    >>> candidates_for("small", Candidate(k=2), free=("noise",), latent="categorical")[1].noise
    0.02
    """
    if search is None:
        return (base,)
    varied = [name for name in free if name != "k" or latent == "categorical"]
    found = [replace(base, **{name: one[name] for name in varied if name in one}) for one in SMALL]
    return tuple(dict.fromkeys(found))
