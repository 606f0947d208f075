"""What a conditional mixture is to be: its latent, its networks, how it is trained, and which settings compete."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import jax
import jax.numpy as jnp

from tacit._errors import UsageError
from tacit._typing import Key
from tacit.models import (
    Components,
    ConcreteGate,
    DiagonalFamily,
    Encoder,
    Expert,
    Gate,
    MixtureOfExperts,
    MixtureRelaxation,
    MomentsRelaxation,
    NetworkRelaxation,
)
from tacit.models.components import AbstractFamily
from tacit.networks import MLP, Fixed, Linear
from tacit.training import Checkpoints

Latent = Literal["categorical", "concrete"]
Relaxation = Literal["mixture", "moments", "network"]
Inference = Literal["exact", "amortised", "em"]

MANY_ROWS = 5000  # rows from which on batches are larger and candidates compete by shorter trainings
BATCHES = (64, 256)  # rows a step, of few and of many
STEPS = (3000, 20000)  # of a training: the first where rows are few
EPOCHS = 200  # of a training on many rows, as far as its steps lie between the two
TOGETHER = 2  # members, the first ones, that set the same rows aside
SHORTER = 4  # times that the trainings of a search among many rows are shorter


@dataclass(frozen=True)
class Candidate:
    """Settings that members of one population may differ in."""

    k: int = 3
    width: int = 64  # hidden units a layer that are on
    weight_decay: float = 0.01
    noise: float = 0.0  # s.d. of the noise that training adds to standardised covariates
    target_noise: float = 0.0  # and to standardised targets
    floor: float = 0.003  # least scale of a component, in s.d. of the target
    steps: int | None = None  # gradient steps, rounded up to whole epochs; None: by the rows
    learning_rate: float = 1e-2

    def __str__(self) -> str:
        return (
            f"k={self.k}, width={self.width}, weight decay={self.weight_decay:g}, noise={self.noise:g}, "
            f"target noise={self.target_noise:g}, scale floor={self.floor:g}, steps={self.steps or 'by the rows'}"
        )


@dataclass(frozen=True)
class Plan:
    """The structure that all members share, and how they are trained."""

    latent: Latent = "categorical"
    components: Literal["conditional", "shared"] = "conditional"
    relaxation: Relaxation = "mixture"
    inference: Inference = "exact"
    covariance: Literal["full", "diagonal"] = "full"
    layers: int = 2  # hidden layers
    activation: str = "silu"
    prior_temperature: float = 0.5
    posterior_temperature: float | None = None  # None: learned, from the prior's on
    anneal: tuple[float, ...] = ()  # multiples of the prior's temperature that training goes through before it
    objective: Literal["elbo", "iwae"] = "elbo"
    kl: Literal["closed", "sampled"] = "closed"
    num_samples: int = 1
    batch_size: int | None = None  # None: 64, or 256 for many rows
    max_epochs: int | None = None  # in place of the candidates' steps
    n_members: int = 5
    validation_fraction: float = 0.1
    calibrate: bool = True  # scales of the members' mixture by the rows set aside, see `conditional_spread`
    patience: int | None = None
    optimizer: Any = "adam"
    gradient: Any = None
    candidates: tuple[Candidate, ...] = (Candidate(),)
    of_many: tuple[Candidate, ...] = ()  # those that compete in their place where rows are many
    seed: int = 0
    kept: Checkpoints | None = None  # where long trainings are kept, to go on from

    @property
    def k(self) -> int:
        """Components of every member's arrays; those that a candidate does without are off."""
        return max(candidate.k for candidate in self.candidates)

    @property
    def width(self) -> int:
        """Hidden units of every member's arrays."""
        return max(candidate.width for candidate in self.candidates)

    def batch(self, n: int) -> int:
        """Rows a step, of n to train on."""
        return min(self.batch_size or BATCHES[n >= MANY_ROWS], n)

    def for_rows(self, n: int) -> Plan:
        """The plan for n rows: which candidates compete, for how many steps they train, and in what batches."""
        many = n >= MANY_ROWS
        size, steps = self.batch_size or BATCHES[many], STEPS[0]
        if many:
            epoch = math.ceil((1 - self.validation_fraction) * n / size)
            steps = min(max(EPOCHS * epoch, STEPS[0]), STEPS[1])
        chosen = self.of_many if many and self.of_many and self.inference != "em" else self.candidates
        found = tuple(replace(one, steps=one.steps or steps) for one in chosen)
        return replace(self, candidates=found, of_many=(), batch_size=size)

    def only(self, candidate: Candidate) -> Plan:
        """The plan with one candidate, that nothing competes with."""
        return replace(self, candidates=(candidate,), of_many=())

    def shortly(self, n: int) -> bool:
        """Whether candidates compete by trials: where rows are many."""
        return n >= MANY_ROWS and len(self.candidates) > 1

    def trial(self) -> Plan:
        """The plan of the trials, the same with shorter trainings."""
        shorter = tuple(replace(one, steps=math.ceil((one.steps or STEPS[0]) / SHORTER)) for one in self.candidates)
        epochs = None if self.max_epochs is None else math.ceil(self.max_epochs / SHORTER)
        return replace(self, candidates=shorter, max_epochs=epochs)

    @property
    def n_scouts(self) -> int:
        """Members of every candidate that compete; the others are of the chosen one alone."""
        return min(TOGETHER, self.n_members) if len(self.candidates) > 1 else self.n_members

    @property
    def exact(self) -> bool:
        """Whether the latent is summed out in training."""
        return self.latent == "categorical" and self.inference != "amortised"

    def check_latent(self, *, dequantise: bool = False) -> None:
        """Raise `UsageError` for a latent, an inference, a gradient and a noise that do not go together."""
        if self.latent == "concrete" and self.inference != "exact":  # q of a Concrete latent is always amortised
            mend = "Leave inference out, or use latent='categorical'."
            raise UsageError(f"is for a categorical latent, not {self.inference!r}.", where="inference", mend=mend)
        if self.gradient is not None and self.latent == "categorical" and self.inference != "amortised":
            mend = "Leave it out, or use inference='amortised'."
            raise UsageError("nothing is sampled where the latent is summed out.", where="gradient", mend=mend)
        if dequantise and not self.exact:
            mend = "Leave it out, or use latent='categorical', inference='exact'."
            raise UsageError("a bound has no cells: the latent must be summed out.", where="dequantise", mend=mend)

    def check(self, family: AbstractFamily) -> None:
        """Raise `UsageError` for structures that make no sense."""
        if self.latent == "concrete":
            for name in ("prior_temperature", "posterior_temperature"):
                value = getattr(self, name)
                if value is not None and not value > 0:
                    raise UsageError(f"the temperature {value} is not above 0.", where=name, mend="Use .3 to 1.")
            if len({candidate.k for candidate in self.candidates}) > 1:
                mend = "Give one number of components."
                raise UsageError("a relaxed mixture has as many states as components.", where="n_components", mend=mend)
            if self.k < 2:
                mend = "Use two or more, or latent='categorical'."
                raise UsageError("one component has nothing to relax.", where="n_components", mend=mend)
            if self.relaxation == "moments" and not isinstance(family, DiagonalFamily):
                mend = "Use covariance='diagonal' and a numeric target."
                raise UsageError("moments are averaged of independent normals.", where="relaxation", mend=mend)
        if self.objective == "iwae" and self.kl == "closed":
            mend = "Use kl='sampled'."
            raise UsageError("an importance-weighted bound has no closed KL divergence.", where="kl", mend=mend)
        if self.objective == "iwae" and self.num_samples < 2 and not self.exact:
            mend = "Use 5 of them, or objective='elbo'."
            what = "of one draw the importance-weighted bound is the ELBO."
            raise UsageError(what, where="n_mc_samples", mend=mend)


def build(key: Key, plan: Plan, candidate: Candidate, family: AbstractFamily, p: int, d: int) -> tuple[Any, Any]:
    """A model and its posterior (None where it is exact), before training; p covariates, d target columns."""
    keys = jax.random.split(key, 6)
    widths = (plan.width,) * plan.layers
    one_width = plan.width == min(one.width for one in plan.candidates)
    active = None if one_width else jnp.arange(plan.width) < candidate.width
    features = MLP.init(keys[0], p, widths, activation=plan.activation, active=active)
    h = p + (plan.width if plan.layers else 0)
    k = plan.k
    components = Components.init(keys[1], family, k, h if plan.components == "conditional" else None)
    head = Linear.init(keys[2], h, k, gain=0.1)
    if plan.latent == "categorical":
        on = None if k == min(one.k for one in plan.candidates) else jnp.arange(k) < candidate.k
        model = MixtureOfExperts(Gate(head, on), Expert(components), features)
        if plan.inference == "exact":
            return model, None
        return model, _encoder(keys[3], plan, p + d, lambda gate: Gate(gate))
    prior = ConcreteGate(head, Fixed(jnp.log(jnp.asarray(plan.prior_temperature, jnp.float32))))
    likelihood: Any
    if plan.relaxation == "network":
        network = MLP.init(keys[4], k + h, widths[:1], activation=plan.activation)
        out = k + h + (plan.width if plan.layers else 0)
        likelihood = NetworkRelaxation(network, Linear.init(keys[5], out, family.width, gain=0.5), family)
    else:
        likelihood = (MixtureRelaxation if plan.relaxation == "mixture" else MomentsRelaxation)(components)
    learned = plan.posterior_temperature is None
    log_temperature = jnp.log(jnp.asarray(plan.posterior_temperature or plan.prior_temperature, jnp.float32))
    posterior = _encoder(
        keys[3], plan, p + d, lambda gate: ConcreteGate(gate, log_temperature if learned else Fixed(log_temperature))
    )
    return MixtureOfExperts(prior, likelihood, features), posterior


def _encoder(key: Key, plan: Plan, n_in: int, gate: Any) -> Encoder:
    """q of (y, x): a network as wide as the model's."""
    key_features, key_head = jax.random.split(key)
    features = MLP.init(key_features, n_in, (plan.width,) * plan.layers, activation=plan.activation)
    h = n_in + (plan.width if plan.layers else 0)
    return Encoder(features, gate(Linear.init(key_head, h, plan.k, gain=0.1)))


def grid(base: Candidate, **choices: tuple[Any, ...]) -> tuple[Candidate, ...]:
    """Every combination of the choices, the rest as in `base`."""
    return tuple(replace(base, **dict(zip(choices, values, strict=True))) for values in product(*choices.values()))
