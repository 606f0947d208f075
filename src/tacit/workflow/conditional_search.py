"""Which settings compete for a conditional mixture."""

from __future__ import annotations

from tacit.workflow.conditional_plan import Candidate, Latent, grid


def candidates_for(
    search: str | None, base: Candidate, *, free: tuple[str, ...] = ("k", "weight_decay"), latent: Latent
) -> tuple[Candidate, ...]:
    """The candidates of a search: `base` alone for None, a small grid over the settings that are `free` for "small".

    A relaxed category has one number of components, which is not searched.
    """
    choices = {"k": (1, 3, 8), "weight_decay": (0.01, 0.1)}
    if latent == "concrete":
        choices.pop("k")
    varied = {name: values for name, values in choices.items() if name in free}
    return (base,) if search is None else grid(base, **varied)
