"""What the latent of a trained model does: which parts are in use, how often each state is, and collapse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float

from tacit._errors import UsageError
from tacit.data.findings import Finding
from tacit.distributions import Bernoulli, Categorical, Categoricals

ACTIVE = 0.01  # variance over rows of the mean of a latent, from which on it is in use (Burda et al. 2016)
COLLAPSED = 0.05  # nats: a rate below this says nothing of a row
UNUSED = 0.1  # of the share that a state would have if all were used alike


@dataclass(frozen=True, eq=False)
class LatentUse:
    """What each latent does, over rows.

    `kl` (j,): the mean of KL(q || prior) of each in nats, one number for all that q holds together; None where it has
    no closed form. `variance` (j,): over rows, of the mean of each under q (the largest of its states); in use where
    above .01. `usage` (j, k): the mean probability of every state, None for a latent that is not discrete.
    """

    kl: Float[np.ndarray, " j"] | None
    variance: Float[np.ndarray, " j"]
    usage: Float[np.ndarray, "j k"] | None

    @classmethod
    def of(cls, qs: Any, kl: Float[np.ndarray, "n j"] | None, weight: Float[np.ndarray, " n"] | None = None) -> Self:
        """From stacked posteriors of n rows and their divergences, rows counted by their weights.

        >>> found = LatentUse.of(Bernoulli(np.array([[9.0, 0.0], [-9.0, 0.0]])), np.array([[0.7, 0.0], [0.7, 0.0]]))
        >>> found.active.tolist(), found.verdict, found.usage.round(3).tolist()
        ([True, False], 'partly collapsed', [[0.5, 0.5], [0.5, 0.5]])
        """
        means = latent_mean(qs)
        share = np.full(len(means), 1 / len(means)) if weight is None else np.asarray(weight) / np.sum(weight)
        variance = np.tensordot(share, (means - np.tensordot(share, means, axes=1)) ** 2, axes=1)
        states = state_probabilities(qs)
        return cls(
            None if kl is None else share @ np.asarray(kl, np.float64),
            variance if variance.ndim == 1 else variance.max(axis=1),
            None if states is None else np.tensordot(share, states, axes=1),
        )

    @property
    def active(self) -> Bool[np.ndarray, " j"]:
        """Which latents are in use."""
        return self.variance > ACTIVE

    @property
    def unused(self) -> list[tuple[int, int]]:
        """Pairs (latent, state) of the latents in use that hardly any row is at."""
        if self.usage is None:
            return []
        rare = (self.usage * self.usage.shape[1] < UNUSED) & self.active[:, None]
        return [(int(j), int(k)) for j, k in np.argwhere(rare)]

    @property
    def verdict(self) -> str:
        """One of "collapsed", "partly collapsed", "in use"."""
        if not self.active.any() or (self.kl is not None and self.kl.sum() < COLLAPSED):
            return "collapsed"
        return "in use" if self.active.mean() > 0.5 else "partly collapsed"

    @property
    def remedy(self) -> str:
        """What to try; empty where nothing is wrong."""
        return {
            "collapsed": "Try fewer hidden units, another seed, or, of the ELBO, beta below 1 or free_bits near 0.1.",
            "partly collapsed": f"{max(int(self.active.sum()), 1)} latents would do; free_bits brings more into use.",
            "in use": "",
        }[self.verdict]

    def findings(self) -> list[Finding]:
        """What a person should know."""
        if self.verdict == "collapsed":
            rate = 0.0 if self.kl is None else float(self.kl.sum())
            apart = "" if rate < COLLAPSED else f", though {rate:.2g} nats from the prior"
            message = f"The latent has collapsed: q is the same for all rows{apart}, and says nothing of one."
            return [Finding("warning", "collapse", message, mend=self.remedy)]
        found = []
        if self.verdict == "partly collapsed":
            message = f"{int(np.sum(~self.active))} of {len(self.active)} latents are not in use."
            found.append(Finding("note", "idle-latents", message, mend=self.remedy))
        if self.unused:
            message = f"{len(self.unused)} states of the latents are hardly ever used."
            found.append(Finding("note", "unused-codes", message, mend="Fewer states would do."))
        return found


def latent_mean(qs: Any) -> Float[np.ndarray, "n j *k"]:
    """`E_q z` of stacked posteriors: (n, j) of normals and bits, (n, j, k) of categories.

    Raises `UsageError` for other latents.
    """
    if isinstance(qs, Bernoulli):
        return np.asarray(qs.probs, np.float64)
    states = state_probabilities(qs)
    if states is not None:
        return states
    if not hasattr(qs, "loc"):
        raise UsageError(f"the mean of {type(qs).__name__} is not known.", mend="Use a normal or discrete posterior.")
    return np.asarray(qs.loc, np.float64)


def state_probabilities(qs: Any) -> Float[np.ndarray, "n j k"] | None:
    """Probabilities of the states of every latent of stacked posteriors; None where they are not discrete."""
    if isinstance(qs, Bernoulli):
        ones = np.asarray(qs.probs, np.float64)
        return np.stack([1 - ones, ones], axis=-1)
    if isinstance(qs, Categorical | Categoricals):
        logits = np.asarray(qs.logits, np.float64)
        probabilities = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
        return probabilities[:, None] if isinstance(qs, Categorical) else probabilities
    return None
