"""What a fit is asked for, and what is known of it when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tacit.inference import em
from tacit.models import FiniteMixture

PLAIN = 1 << 30  # plain steps of a fit that never jumps
NOTABLE_DROP = 1e-2  # nats a row; the variance floor and pseudo-rows may cost less than this on the way

Progress = Callable[[str, int, int], None]  # stage, done, total


def quiet(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Settings:
    """How EM runs: starts, how many of them finish, steps and tolerance (nats a row), and plain steps before jumps.

    Fits to the training part of a fold may have fewer starts: they only compare numbers of components.
    """

    n_starts: int = 30
    n_finish: int = 3
    method: str = "k-means++"
    max_steps: int = 1000
    tolerance: float = 1e-5
    plain_steps: int = 10  # at least those of a start; `PLAIN` for no jumps
    fold_starts: int = 5
    fold_finish: int = 2


@dataclass(frozen=True)
class Member:
    """One mixture of the population: its number of components, and the weighting of the rows that it sees."""

    k: int
    weighting: int = 0
    in_fold: bool = False  # whether it only serves to compare

    def starts(self, settings: Settings) -> tuple[int, int]:
        """How many starts it has, and how many of them are finished; all starts of one component are the same."""
        if self.k == 1:
            return 1, 1
        n_starts, n_finish = settings.n_starts, settings.n_finish
        if self.in_fold:
            n_starts, n_finish = min(settings.fold_starts, n_starts), min(settings.fold_finish, n_finish)
        return n_starts, min(n_finish, n_starts)


@dataclass(frozen=True)
class Fit:
    """One mixture that was fitted, as NumPy arrays: its figures, and how it ended."""

    mixture: FiniteMixture
    log_likelihood: float  # weighted sum, nats; of a start given up: before its last step, over the rows it saw
    steps: int
    status: int
    drop: float  # the largest fall of the bound between two steps
    bounds: np.ndarray = field(repr=False)  # nats a row, before each step
    precise: bool  # whether the path that keeps digits far from the centre was needed
    start: int = 0
    finished: bool = True
    mended: tuple[str, ...] = ()  # what was done about degenerate components

    @property
    def converged(self) -> bool:
        """Whether the last change was within the tolerance."""
        return self.finished and self.status == em.CONVERGED

    @property
    def verdict(self) -> str:
        """How the fit ended, in words."""
        if self.status == em.NON_FINITE:
            return "non-finite"
        if not self.finished:
            return "stopped early"
        if self.drop > NOTABLE_DROP:
            return "decreased"
        return "converged" if self.converged else "ran out of steps"
