"""What a fit of a linear-Gaussian model is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from tacit._errors import UsageError

Noise = Literal["isotropic", "diagonal"]
Inference = Literal["em", "local", "amortised", "joint"]
NAME = "linear-gaussian"
SETTLED = 1e-4  # nats a row that exact steps from the end of a training may still gain in a fit called converged
SETTLED_BY_DRAWS = 1e-3  # the same where z was drawn: the last steps still move about the maximum
STEPS = {"em": 10_000, "local": 2000, "amortised": 4000, "joint": 4000}  # where none are asked for


@dataclass(frozen=True)
class LinearJob:
    """What was asked; `n_mc_samples` None takes expectations over q without draws, and all rows a step."""

    n_latents: int = 1
    noise: Noise = "isotropic"
    inference: Inference = "em"
    n_init: int = 5  # starts of what ends at a maximum, with diagonal noise; with isotropic noise there is one
    standardise: bool = True
    n_mc_samples: int | None = None
    phi_steps: int = 1
    learning_rate: float = 0.02
    max_iter: int | None = None
    tol: float = 1e-7
    holdout: float = 0.0
    refit: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("noise", get_args(Noise)), ("inference", get_args(Inference))):
            if getattr(self, name) not in known:
                mend = f"Use one of {', '.join(known)}."
                raise UsageError(f"{getattr(self, name)!r} is not known.", where=name, mend=mend)
        if self.n_latents < 1:
            raise UsageError(f"{self.n_latents} latents.", where="n_latents", mend="Ask for one or more.")
        if self.inference == "em" and self.n_mc_samples is not None:
            raise UsageError("EM draws nothing.", where="n_mc_samples", mend="Leave it out, or use another inference.")

    @property
    def to_the_end(self) -> bool:
        """Whether the procedure ends at a maximum: EM, and joint training without draws."""
        return self.inference == "em" or (self.inference == "joint" and self.n_mc_samples is None)

    @property
    def settled(self) -> float:
        """What a training may leave to be had, nats a row, and is called converged."""
        return SETTLED_BY_DRAWS if self.n_mc_samples else SETTLED

    @property
    def steps(self) -> int:
        """Steps of EM, or epochs of a training and the steps of L-BFGS after it."""
        return STEPS[self.inference] if self.max_iter is None else self.max_iter
