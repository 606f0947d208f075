"""A deep model of a table with discrete latents, behind scikit-learn's interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from tacit._errors import UsageError
from tacit.data.encode import Rows
from tacit.estimators._density import TableDensity
from tacit.estimators._latent_fit import LatentFitting, saved_parameters
from tacit.estimators._latent_settings import LATENT, objective_of, samples_of, training_of
from tacit.evaluation.latent_use import state_probabilities
from tacit.gradients import AbstractGradient
from tacit.gradients.names import gradient_of
from tacit.models import AbstractLatent, BernoulliLatent, CategoricalLatent, CategoricalsLatent
from tacit.workflow.latent_fit import FittedLatent
from tacit.workflow.latent_networks import checked_image
from tacit.workflow.latent_plan import LatentPlan
from tacit.workflow.latent_table import LatentTable

NAME = "discrete-vae"


def _has_one_latent(estimator: Any) -> bool:
    if estimator.n_latents != 1:
        raise AttributeError("States are of one latent: with several use transform.")
    return True


class DiscreteVAE(  # type: ignore[misc]  # `evaluate` gives several figures
    LatentFitting, ClassNamePrefixFeaturesOutMixin, TransformerMixin, TableDensity
):
    """A density of a table by a code of discrete latents: `n_latents` of them, of `n_states` states each.

        log p(row) = log sum_z p(z) prod_j p(column j | network(z))

    in nats a row and the units of the data. A second network gives q(z | row), factorised; both are trained at once on
    the bound `E_q[log p(row | z)] - beta KL(q || p(z))`. Where the states can be listed (n_states ** n_latents up to
    65,536) densities are exact afterwards, whatever gradient trained them; else they are labelled estimates. Columns
    are Bernoulli (0/1 and other binary ones), categorical, Poisson (counts), or normal (positive ones in logarithms).

    One latent is a mixture, trained variationally: with `hidden_layer_sizes=()` and `gradient="enumeration"` it reaches
    what EM reaches.

    Rows may be a pandas, polars or Arrow frame, a dict of arrays, or an array (n, d), with missing cells, which are
    left out of the likelihood: right where cells are missing at random. A table that comes back is of the same kind.

    Parameters:
        n_latents, n_states: the code; two states are a Bernoulli.
        likelihood: "auto" by the kinds of columns (a table of 0 and 1 is all Bernoulli); or one for all columns:
            "bernoulli", "gaussian", "log-normal", "poisson", "categorical".
        gradient: the name of an estimator ("leave-one-out", "enumeration", "reinforce", "disarm", ...) or an object of
            `tacit.gradients`.
        objective: "elbo" or "iwae"; kl: of the ELBO "closed", "sampled" or "auto" (closed where it can be).
        n_mc_samples: draws of the code a row and step; None for 2, or 5 of an importance-weighted bound.
        prior: "uniform", "learned" (factorised), or "autoregressive" (each latent given those before it, by a masked
            network; the KL divergence is then sampled).
        beta: weight of the KL divergence; free_bits: nats of it a latent may have for nothing. With other than 1 and 0
            training has another aim than density; figures stay those of the density.
        scale: s.d. of real columns given the code: "shared" (one a column), "floored" (by the network), "network" (the
            same without a floor) or "fixed"; scale_floor: its least value, in s.d. of the column.
        decoder: columns given the code are "independent", or "autoregressive": each given the code and the columns
            before it, by a masked network (real ones as mixtures of five normals). That one needs whole rows, and
            answers what whole rows are worth, not one column given others; it can do without the code, which then says
            little of a row.
        network: "dense"; "patches" of an image, whose `image` is (height, width); or "auto", patches where a shape of
            at least 8 x 8 is given. Every column is a pixel, row by row.
        hidden_layer_sizes: of dense networks, from the columns to the code and back; () for linear ones.
        activation: by name: leaky_relu, relu, silu, gelu, tanh, identity.
        learning_rate, optimizer, weight_decay: "adam", "sgd", "momentum", "rmsprop", "lion", an object of Optax, or a
            pair, for the model and for q. The rate falls along half a cosine.
        batch_size: rows a step, None for 64 (128 from 5,000 rows on).
        max_iter: epochs; None for about 8,000 steps.
        validation_fraction: share of the rows that judges every epoch; the best parameters are kept.
        n_iter_no_change: epochs without a better one after which training ends; None for none.
        preset: "fast" for tests: small networks, few steps.
        types: kinds of columns by name, with likelihood="auto".
        random_state: seed; verbose: 1 prints the stages.

    Attributes:
        model_, schema_: the density itself, and how columns are read.
        kl_per_latent_: mean KL(q || prior) of every latent, nats; near 0 where it is not used. (Of an autoregressive
            prior the mean of q stands for it.)
        usage_: how often every state is used (n_latents, n_states).
        history_: mean bound of every epoch: "training" and, of the rows set aside, "validation".
        verdict_, converged_, n_iter_: how training ended, and after how many epochs.
        findings_: what a person should know; record_: the fit as plain JSON values, which `tacit.report` reads.
        n_features_in_, feature_names_in_: of the table.

    Raises `DataError` and `UsageError` (both ValueErrors) for rows and settings it cannot use. With weights, equal rows
    are not the same as one row of a larger weight, since rows are dealt to batches one by one.

    >>> rows = np.repeat([[0, 0, 1, 1], [1, 1, 0, 0]], 30, axis=0)
    >>> model = DiscreteVAE(gradient="enumeration", preset="fast", random_state=0).fit(rows)
    >>> codes = model.transform(rows, states=True)[:, 0]
    >>> bool(codes[0] != codes[-1]), model.reconstruct(rows[:1]).round().astype(int).tolist()
    (True, [[0, 0, 1, 1]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_latents": [Interval(Integral, 1, None, closed="left")],
        "n_states": [Interval(Integral, 2, None, closed="left")],
        "gradient": [str, AbstractGradient],
        "objective": [StrOptions({"elbo", "iwae"})],
        "kl": [StrOptions({"auto", "closed", "sampled"})],
        "prior": [StrOptions({"uniform", "learned", "autoregressive"})],
        "decoder": [StrOptions({"independent", "autoregressive"})],
        **LATENT,
    }

    def __init__(
        self,
        n_latents: int = 1,
        n_states: int = 2,
        *,
        likelihood: str = "auto",
        gradient: str | AbstractGradient = "leave-one-out",
        objective: str = "elbo",
        kl: str = "auto",
        n_mc_samples: int | None = None,
        prior: str = "uniform",
        decoder: str = "independent",
        beta: float = 1.0,
        free_bits: float = 0.0,
        scale: str = "shared",
        scale_floor: float = 0.003,
        network: str = "auto",
        image: Sequence[int] | None = None,
        hidden_layer_sizes: Sequence[int] = (128, 128),
        activation: str = "leaky_relu",
        learning_rate: float = 2e-3,
        optimizer: Any = "adam",
        weight_decay: float = 0.01,
        batch_size: int | None = None,
        max_iter: int | None = None,
        validation_fraction: float = 0.1,
        n_iter_no_change: int | None = None,
        preset: str | None = None,
        types: Mapping[str, str] | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_latents = n_latents
        self.n_states = n_states
        self.likelihood = likelihood
        self.gradient = gradient
        self.objective = objective
        self.kl = kl
        self.n_mc_samples = n_mc_samples
        self.prior = prior
        self.decoder = decoder
        self.beta = beta
        self.free_bits = free_bits
        self.scale = scale
        self.scale_floor = scale_floor
        self.network = network
        self.image = image
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.preset = preset
        self.types = types
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Fit to the rows of a table; `y` is ignored.

        `sample_weight` (n,) counts a row as so many (0 leaves it out); rows of equal `groups` (n,) are set aside
        together.
        """
        self._fit(X, plan_of(self), sample_weight, groups)
        return self

    def transform(self, X: Any, states: bool = False) -> Float[np.ndarray, "n w"] | Int[np.ndarray, "n l"]:
        """The code q(z | row) of every row.

        Probabilities of a 1 (n, n_latents) or, of more than two states, of every state of every latent, side by side;
        with `states` the most probable states (n, n_latents).
        """
        found = self._probabilities(self._rows(X, require="any"))
        if states:
            return found.argmax(axis=2)
        return found[:, :, 1] if self.n_states == 2 else found.reshape(len(found), -1)

    @available_if(_has_one_latent)
    def responsibilities(self, X: Any) -> Float[np.ndarray, "n k"]:
        """Exact posterior probability of every state (n, n_states) of the one latent, given the present cells."""
        rows = self._rows(X, require="any")
        return np.exp(self.model_.log_responsibilities(rows))

    def predict(self, X: Any, target: str | None = None) -> np.ndarray:
        """The most probable state (n,) of the one latent; with a `target`, the best single value of that column.

        That is the mean for real columns, the median for positive, zero-inflated and count ones, the most probable
        level for the others. Cells of the target in X are not looked at. Raises `UsageError` for states of several
        latents.
        """
        if target is not None:
            return self._best(X, target)
        if self.n_latents != 1:
            mend = "Use transform(X, states=True), or name a target."
            raise UsageError(f"a state is of one latent, and there are {self.n_latents}.", where="predict", mend=mend)
        return self.responsibilities(X).argmax(axis=1)

    def _publish(self, fitted: FittedLatent) -> None:
        super()._publish(fitted)
        self.usage_ = fitted.diagnosis.usage

    def _probabilities(self, rows: Rows) -> Float[np.ndarray, "n l k"]:
        return np.asarray(state_probabilities(self.model_.posteriors(rows)))

    def _code(self, rows: Rows) -> np.ndarray:
        return self._probabilities(rows).argmax(axis=2)

    def _events(self, Z: np.ndarray) -> np.ndarray:
        """States (n, n_latents), or probabilities as `transform` gives them, as latent events."""
        Z = Z[:, None] if Z.ndim == 1 else Z
        l, k = self.n_latents, self.n_states
        relaxed = Z.shape[1:] == (l if k == 2 else l * k,)
        if relaxed:
            _check_each(Z, (Z >= 0) & (Z <= 1), "probability", f"Give numbers from 0 to 1; a latent has {k} states.")
        if relaxed and k == 2:
            return Z
        if relaxed:
            events = Z.reshape(len(Z), l, k)
        elif Z.shape[1:] == (l,):
            _check_each(Z, np.isin(Z, np.arange(k)), "state", f"Give whole numbers from 0 to {k - 1}: {k} states.")
            events = np.eye(k)[Z.astype(int)]
        else:
            raise UsageError(f"shape {Z.shape} is no code.", where="Z", mend=f"Give (n, {l}) states.")
        return events[:, 0] if isinstance(self.model_.latent, CategoricalLatent) else events

    @property
    def _n_features_out(self) -> int:
        return self.n_latents * (1 if self.n_states == 2 else self.n_states)


def _check_each(Z: np.ndarray, fits: np.ndarray, what: str, mend: str) -> None:
    """Raise `UsageError` for the first number of a code (n, w) that does not fit."""
    if not fits.all():
        row, column = np.argwhere(~fits)[0]
        raise UsageError(f"{Z[row, column]:g} is no {what}.", where=f"Z, row {row}, column {column}", mend=mend)


def latent_of(n_latents: int, n_states: int) -> AbstractLatent:
    """The kind of latent of a code."""
    if n_states == 2:
        return BernoulliLatent(int(n_latents))
    if n_latents == 1:
        return CategoricalLatent(int(n_states))
    return CategoricalsLatent(int(n_latents), int(n_states))


def plan_of(given: Any) -> LatentPlan:
    """The plan that the parameters stand for; raises `UsageError` for combinations that make no sense."""
    gradient = gradient_of(given.gradient)
    return LatentPlan(
        latent=latent_of(given.n_latents, given.n_states),
        name=NAME,
        objective=objective_of(given),
        gradient=gradient,
        num_samples=samples_of(given, gradient, 2),
        prior=given.prior,
        decoder=given.decoder,
        scale=given.scale,
        scale_floor=float(given.scale_floor),
        training=training_of(given),
        network=given.network,
        image=checked_image(given.image),
    )


def from_file(model: LatentTable, found: dict[str, Any]) -> DiscreteVAE:
    """The estimator of a model file's model and manifest; raises what a manifest that is not one of ours raises."""
    latent = model.latent
    shape = {"n_latents": getattr(latent, "d", 1), "n_states": getattr(latent, "k", 2)}
    estimator = DiscreteVAE(**{**saved_parameters(model, found)["parameters"], **shape})
    estimator._from_file(model, found)
    estimator.usage_ = np.array(found["record"]["code"]["usage"], float)
    return estimator
