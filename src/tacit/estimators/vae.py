"""A deep model of a table with continuous latents, behind scikit-learn's interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from tacit._errors import UsageError
from tacit.data.encode import Rows
from tacit.estimators._density import TableDensity
from tacit.estimators._latent_fit import LatentFitting, saved_parameters
from tacit.estimators._latent_settings import LATENT, objective_of, samples_of, training_of
from tacit.gradients import AbstractGradient
from tacit.gradients.names import gradient_of
from tacit.models import AbstractLatent, FullNormalLatent, NormalLatent
from tacit.workflow.latent_networks import checked_image
from tacit.workflow.latent_plan import LatentPlan
from tacit.workflow.latent_points import best_columns
from tacit.workflow.latent_table import LatentTable

NAME = "vae"


class VAE(  # type: ignore[misc]  # `evaluate` gives several figures
    LatentFitting, ClassNamePrefixFeaturesOutMixin, TransformerMixin, TableDensity
):
    """A density of a table by a few normal latents, from which a network gives all columns: a variational autoencoder.

        log p(row) = log E_{z ~ N(0, I)} prod_j p(column j | network(z))

    in nats a row and the units of the data. A second network gives q(z | row), normal; both are trained at once on the
    bound `E_q[log p(row | z)] - beta KL(q || N(0, I))`. Afterwards densities of one or two latents are integrals, by
    quadrature; those of more are estimates by importance weights of draws of q and of normals about modes of the row's
    own posterior, the same at every call, and `evaluate` tells their errors and bias beside the bounds. Columns are
    normal (of the logarithm where positive), Bernoulli (0/1 and other binary ones), categorical, or Poisson (counts).

    Rows may be a pandas, polars or Arrow frame, a dict of arrays, or an array (n, d), with missing cells, which are
    left out of the likelihood: right where cells are missing at random. A table that comes back is of the same kind.

    With covariates x, given to `fit` and then to every question, both networks read them, and the model is
    `p(row | x) = E_{z ~ N(0, I)} prod_j p(column j | network(z, x))`. They are real, positive, count, binary or
    categorical columns; missing cells are allowed, as in `ConditionalMixture`: the mean, beside an indicator.

    Parameters:
        n_latents: dimensions of z.
        posterior: q(z | row) with a "diagonal" or a "full" covariance.
        likelihood: "auto" by the kinds of columns (a table of 0 and 1 is all Bernoulli); or one for all columns:
            "bernoulli" (numbers from 0 to 1 are grey levels, whose figures are no log-likelihoods), "gaussian",
            "log-normal", "poisson", "categorical".
        scale: s.d. of real columns given z. "shared": one a column, at the end the root of the residual variance, its
            closed-form best; "floored": by the network, at least `scale_floor`; "fixed": the column's own unit, not
            learned; "network": by the network without a floor, which may shrink onto rows without limit (warned of);
            "full": the network gives real columns, 32 at most, a covariance: the Cholesky factor of one, floored.
        scale_floor: least s.d. of a real column given z, in units near its own s.d.; with a full covariance given the
            columns before it too, and at least .03.
        objective: "elbo" or "iwae"; kl: of the ELBO "closed", "sampled" or "auto" (closed where it can be; sampled with
            sticking the landing).
        gradient: "pathwise", "sticking-the-landing" (ELBO, its KL sampled), "doubly-reparameterised" (iwae),
            "reinforce", or an object of `tacit.gradients`.
        n_mc_samples: draws of z a row and step; None for 1, or 5 of an importance-weighted bound.
        beta: weight of the KL divergence; free_bits: nats of it a latent may have for nothing. With other than 1 and 0
            training has another aim than density; figures stay those of the density.
        kl_warm_up: share of the steps over which beta rises to its value.
        prior: of z, "normal" (standard) or "mixture": `prior_components` normals whose weights, means and scales are
            learned with the rest; the KL divergence is then sampled.
        network, image, hidden_layer_sizes, activation, learning_rate, optimizer, weight_decay, batch_size, max_iter,
            validation_fraction, n_iter_no_change, types, random_state, verbose: as of `DiscreteVAE`.
        preset: "fast" for tests: few steps; "founding": mu(z) = sigmoid(A z + c) and log variance(z) = sigmoid(B z + d)
            of real columns in their own units, so means between 0 and 1 and scales of at least 1.

    Attributes:
        model_, schema_: the density itself, and how columns are read.
        kl_per_latent_: mean KL(q || prior) of every latent (with a full posterior of all together), nats; with a
            mixture as prior that of its margin.
        noise_scale_: with scale="shared" the s.d. of every real column given z, in its units (of the logarithm).
        history_: mean bound of every epoch: "training" and, of the rows set aside, "validation".
        verdict_, converged_, n_iter_: how training ended, and after how many epochs.
        findings_: what a person should know; record_: the fit as plain JSON values, which `tacit.report` reads.
        n_features_in_, feature_names_in_: of the table.

    Raises `DataError` and `UsageError` (both ValueErrors) for rows and settings it cannot use. Sources: Kingma and
    Welling 2014; Rezende et al. 2014; the scale, Mattei and Frellsen 2018.

    >>> rng = np.random.default_rng(0)
    >>> angle = rng.uniform(0, 6.3, 200)
    >>> X = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.1 * rng.normal(size=(200, 2))
    >>> model = VAE(1, preset="fast", random_state=0).fit(X)
    >>> model.transform(X).shape, model.evaluate(X)[0].kind
    ((200, 1), 'exact')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_latents": [Interval(Integral, 1, None, closed="left")],
        "posterior": [StrOptions({"diagonal", "full"})],
        "gradient": [str, AbstractGradient],
        "objective": [StrOptions({"elbo", "iwae"})],
        "kl": [StrOptions({"auto", "closed", "sampled"})],
        "kl_warm_up": [Interval(Real, 0.0, 1.0, closed="both")],
        "prior": [StrOptions({"normal", "mixture"})],
        "prior_components": [Interval(Integral, 1, None, closed="left")],
        **LATENT,
        "scale": [StrOptions({"shared", "floored", "fixed", "network", "full"})],
        "preset": [StrOptions({"fast", "founding"}), None],
    }

    def __init__(
        self,
        n_latents: int = 8,
        *,
        posterior: str = "diagonal",
        likelihood: str = "auto",
        scale: str = "shared",
        scale_floor: float = 0.003,
        objective: str = "elbo",
        kl: str = "auto",
        gradient: str | AbstractGradient = "pathwise",
        n_mc_samples: int | None = None,
        beta: float = 1.0,
        free_bits: float = 0.0,
        kl_warm_up: float = 0.0,
        prior: str = "normal",
        prior_components: int = 10,
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
        self.posterior = posterior
        self.likelihood = likelihood
        self.scale = scale
        self.scale_floor = scale_floor
        self.objective = objective
        self.kl = kl
        self.gradient = gradient
        self.n_mc_samples = n_mc_samples
        self.beta = beta
        self.free_bits = free_bits
        self.kl_warm_up = kl_warm_up
        self.prior = prior
        self.prior_components = prior_components
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
        self,
        X: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        covariates: Any = None,
    ) -> Self:
        """Fit to the rows of a table; `y` is ignored.

        `sample_weight` (n,) counts a row as so many (0 leaves it out); rows of equal `groups` (n,) are set aside
        together. With `covariates`, a frame, dict or array of as many rows, the model is that of the rows given
        these: `p(row | covariates)`.
        """
        self._fit(X, plan_of(self), sample_weight, groups, covariates)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Float[np.ndarray, "n l"]:
        """`fit`, then `transform` of the same rows, given the same covariates."""
        return self.fit(X, y, **fit_params).transform(X, fit_params.get("covariates"))

    def transform(self, X: Any, covariates: Any = None) -> Float[np.ndarray, "n l"]:
        """The mean of q(z | row) of every row (n, n_latents)."""
        rows = self._rows(X, covariates, "any")
        return np.asarray(self.model_.posteriors(rows).loc, float)

    def predict(self, X: Any, target: str | None = None, covariates: Any = None) -> Any:
        """The best single value (n,) of the `target` column given the others; without one, of every cell: `denoise`.

        That is the mean for real columns, the median for positive, zero-inflated and count ones, the most probable
        level for the others. Cells of the target in X are not looked at.
        """
        return self.denoise(X, covariates) if target is None else self._best(X, target, covariates)

    def denoise(self, X: Any, covariates: Any = None) -> Any:
        """What the model expects of every cell of X, present ones too: E[column | z] averaged over p(z | row).

        By importance sampling, the same at every call; as the kind of table that was fitted. Of a positive
        column it is the exponential of the mean of its location, of a count the median at the mean rate, of one with
        levels the most probable level, of zeros and ones the probability.
        """
        rows = self._rows(X, covariates, "any")
        return self._as_table(best_columns(self.schema_, self.model_.expected(rows)))

    @property
    def noise_scale_(self) -> dict[str, float]:
        """With scale="shared", the s.d. of every real column given z, in its units (of the logarithm)."""
        check_is_fitted(self)
        decoder: Any = self.model_.model.likelihood
        normal = decoder.family.normal
        if self.scale != "shared" or normal is None or normal.log_scale is None:
            raise AttributeError("There are shared scales with scale='shared' and real columns only.")
        scales = np.exp(np.logaddexp(np.asarray(normal.log_scale, float), np.log(normal.floor.value)))
        names = self.schema_.layout.normal
        return {name: float(s * self.schema_[name].scale) for name, s in zip(names, scales, strict=True)}

    def _code(self, rows: Rows) -> np.ndarray:
        return np.asarray(self.model_.posteriors(rows).loc, float)

    def _events(self, Z: np.ndarray) -> np.ndarray:
        size = self.model_.latent.size
        if Z.ndim != 2 or Z.shape[1] != size:
            raise UsageError(f"shape {Z.shape} is no code.", where="Z", mend=f"Give (n, {size}) numbers.")
        return Z

    @property
    def _n_features_out(self) -> int:
        return int(self.model_.latent.size)


def latent_of(n_latents: int, posterior: str) -> AbstractLatent:
    """The kind of latent."""
    return FullNormalLatent(int(n_latents)) if posterior == "full" else NormalLatent(int(n_latents))


def plan_of(given: Any) -> LatentPlan:
    """The plan that the parameters stand for; raises `UsageError` for combinations that make no sense."""
    if given.objective == "iwae" and given.kl_warm_up:
        mend = "Leave kl_warm_up out, or use objective='elbo'."
        raise UsageError("an importance-weighted bound has no divergence to weigh.", where="kl_warm_up", mend=mend)
    if given.preset == "founding" and given.scale == "full":
        mend = "Leave preset out, or scale."
        raise UsageError("the founding decoder has no covariance.", where="scale", mend=mend)
    gradient = gradient_of(given.gradient)
    return LatentPlan(
        latent=latent_of(given.n_latents, given.posterior),
        name=NAME,
        objective=objective_of(given),
        gradient=gradient,
        num_samples=samples_of(given, gradient, 1),
        scale="sigmoid" if given.preset == "founding" else given.scale,
        scale_floor=float(given.scale_floor),
        training=training_of(given),
        network=given.network,
        image=checked_image(given.image),
        residual_scale=given.scale == "shared" and given.objective == "elbo",
        warm_up=float(given.kl_warm_up),
        prior=given.prior,
        prior_components=int(given.prior_components),
    )


def from_file(model: LatentTable, found: dict[str, Any]) -> VAE:
    """The estimator of a model file's model and manifest; raises what a manifest that is not one of ours raises."""
    shape = {
        "n_latents": int(model.latent.size),
        "posterior": "full" if isinstance(model.latent, FullNormalLatent) else "diagonal",
    }
    estimator = VAE(**{**saved_parameters(model, found)["parameters"], **shape})
    estimator._from_file(model, found)
    return estimator
