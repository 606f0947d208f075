"""What the latent of a trained model does: how much each part says of a row, and which states are never used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tacit.data.encode import Rows
from tacit.data.findings import Finding
from tacit.distributions import Bernoulli, Categorical, Categoricals
from tacit.workflow.latent_table import LatentTable

ACTIVE = 0.01  # nats of KL divergence, the mean over rows, from which on a latent is in use
UNUSED = 0.1  # of the share that a state would have if all were used alike
_MOST_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The rate of every latent, mean KL(q || prior) in nats (j,), and the use of every state, mean q (j, k).

    `usage` is None where the latent is not discrete.
    """

    rate: Float[np.ndarray, " j"]
    usage: Float[np.ndarray, "j k"] | None

    @property
    def active(self) -> np.ndarray:
        """Which latents are in use (j,)."""
        return self.rate > ACTIVE

    @property
    def unused(self) -> int:
        """How many states of the active latents hardly any row is at."""
        if self.usage is None:
            return 0
        return int(np.sum(self.usage[self.active] * self.usage.shape[1] < UNUSED))

    def findings(self) -> list[Finding]:
        """What a person should know."""
        n = len(self.rate)
        idle = int(np.sum(~self.active))
        if idle == n:
            message = (
                "The latent has collapsed: it says nothing of a row, and the model is one distribution for all rows "
                f"(the KL divergence of q from the prior is {self.rate.sum():.2g} nats)."
            )
            mend = "Try fewer hidden units, beta below 1, free_bits above 0, or another seed."
            return [Finding("warning", "collapse", message, mend=mend)]
        found = []
        if 2 * idle > n:
            message = f"{idle} of {n} latents are not in use (KL divergence below {ACTIVE:g} nats)."
            found.append(Finding("note", "idle-latents", message, mend="Fewer latents would do."))
        if self.unused:
            message = f"{self.unused} states of the latents are hardly ever used."
            found.append(Finding("note", "unused-codes", message, mend="Fewer states would do."))
        return found


def diagnose(model: LatentTable, rows: Rows) -> Diagnosis:
    """The diagnosis of a model on rows, the first 20,000 of them, by their weights."""
    rows = rows.take(np.arange(min(len(rows), _MOST_ROWS)))
    share = rows.weight / rows.weight.sum()
    return Diagnosis(share @ model.divergences(rows), _usage(model.posteriors(rows), share))


def _usage(q: object, share: np.ndarray) -> np.ndarray | None:
    probabilities = state_probabilities(q)
    return None if probabilities is None else np.tensordot(share, probabilities, axes=1)


def state_probabilities(q: object) -> Float[np.ndarray, "n j k"] | None:
    """Probabilities of the states of every latent of stacked posteriors; None where they are not discrete."""
    if isinstance(q, Bernoulli):
        ones = np.asarray(q.probs, np.float64)
        return np.stack([1 - ones, ones], axis=-1)
    if isinstance(q, Categorical | Categoricals):
        logits = np.asarray(q.logits, np.float64)
        probabilities = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
        return probabilities[:, None] if isinstance(q, Categorical) else probabilities
    return None
