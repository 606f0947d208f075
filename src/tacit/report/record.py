"""The record of a fit: plain values that survive JSON, every section free to be absent."""

from __future__ import annotations

from typing import Any, TypedDict


class Verdict(TypedDict, total=False):
    """How the fit ended: converged, stopped early, ran out of steps, decreased or non-finite; what was kept of it."""

    status: str
    text: str
    kept: str


class Warned(TypedDict, total=False):
    """Something a person should know; severity is warning or note."""

    severity: str
    code: str
    message: str
    column: str | None
    mend: str | None


class ReadColumn(TypedDict, total=False):
    """How one column was read; missing and distinct are counts, floor and ceiling standard deviations."""

    name: str
    kind: str
    why: str
    missing: int
    distinct: int
    summary: str
    floor: float | None
    ceiling: float | None


class ReadData(TypedDict, total=False):
    """The table; split is "at random", "by group" or "by time"."""

    source: str
    rows: int
    rows_train: int
    rows_heldout: int
    split: str
    n_groups: int | None
    fingerprint: str
    columns: list[ReadColumn]


class Selection(TypedDict, total=False):
    """How k was chosen; method is density, segments or fixed, table has a row for each k that was tried."""

    method: str
    rule: str
    chosen: int
    best: int
    table: list[dict[str, Any]]


class Start(TypedDict, total=False):
    """One restart; log_likelihood in nats a row."""

    start: int
    k: int
    stage: str
    log_likelihood: float | None
    iterations: int
    verdict: str


class Agreement(TypedDict, total=False):
    """How far restarts agree on the segments, by the adjusted Rand index."""

    ari: float
    of: str


class Standout(TypedDict, total=False):
    """What sets a component apart in one column; effects are comparable within a report."""

    column: str
    text: str
    effect: float | None


class Component(TypedDict, total=False):
    """One component, index from 1, share from 0 to 1."""

    index: int
    share: float
    rows: float
    standouts: list[Standout]


class Anomaly(TypedDict, total=False):
    """An odd row: its number, p-value and {column, surprise} in nats, without any of its values."""

    row: int
    p_value: float
    columns: list[dict[str, Any]]


class Calibration(TypedDict, total=False):
    """Predictions of `target` against what was observed; pairs hold a level and a Result, `fan` has no points."""

    target: str
    verdict: Verdict
    pit: dict[str, Any]
    coverage: list[dict[str, Any]]
    above_median: dict[str, Any]
    crps: dict[str, Any]
    pinball: list[dict[str, Any]]
    width: list[dict[str, Any]]
    log_score: dict[str, Any]
    fan: dict[str, Any]


class Prediction(TypedDict, total=False):
    """What a conditional model says of `target` along one covariate, the `others` held at the cells told."""

    target: str
    along: str
    others: dict[str, Any]
    fan: dict[str, Any]
    density: dict[str, Any]
    sampled: int | None


class Candidates(TypedDict, total=False):
    """The settings that competed, best first: rows of settings, label, figure and chosen."""

    varied: list[str]
    figure: str
    table: list[dict[str, Any]]


class Code(TypedDict, total=False):
    """What a latent does: how many parts, how many in use, their KL divergences in nats and the use of their states."""

    parts: int
    active: int
    rate: float
    rates: list[float]
    unused: int
    usage: list[list[float]]


class BoundCurve(TypedDict, total=False):
    """Bounds of the log-likelihood of `rows` held-out rows: Results with their `draws`, and the best figure."""

    points: list[dict[str, Any]]
    best: dict[str, Any]
    rows: int
    units: str


class Plane(TypedDict, total=False):
    """Where codes lie in the plane of two latents, numbered from 1, as counts in cells.

    `values` are what rows hold there in `column`: the mean of a number, or the place in `levels` of the most frequent.
    """

    latents: list[int]
    edges: list[list[float]]
    counts: list[list[int]]
    column: str
    kind: str
    levels: list[Any]
    values: list[list[float | None]]
    explained: float


class Returned(TypedDict, total=False):
    """What comes back of a column through the latent against what rows hold, as counts; of logarithms if positive."""

    column: str
    kind: str
    edges: list[float]
    counts: list[list[int]]
    explained: float


class Loadings(TypedDict, total=False):
    """A latent of a linear model: its share of all variance, and {column, correlation} of those that load most."""

    latent: int
    share: float
    columns: list[dict[str, Any]]


class Record(TypedDict, total=False):
    """All that a report tells; `heldout` holds Results, the model's first, `differences` the model minus others.

    `judged_on` names the rows of the figures, where they are not those held out by the fit; `numbers` are the four of a
    relaxed model; `bounds` the log-likelihood of a deep one and its parts; `image` is height and width of a row that is
    one; `inference` holds the log-likelihood of a linear model on its training rows, the bound and the gap between
    them; `training` holds the curves of a trained one, a value an epoch.
    """

    title: str
    created: str
    model: str
    latent: str
    targets: list[str]
    covariates: list[str]
    n_members: int
    spread: float
    k: int
    verdict: Verdict
    warnings: list[Warned]
    data: ReadData
    selection: Selection
    heldout: list[dict[str, Any]]
    differences: list[dict[str, Any]]
    numbers: list[dict[str, Any]]
    bounds: list[dict[str, Any]]
    code: Code
    bound_curve: BoundCurve
    plane: Plane
    returned: list[Returned]
    image: list[int]
    loadings: list[Loadings]
    inference: dict[str, Any]
    judged_on: str
    calibration: Calibration
    more_calibration: list[Calibration]
    prediction: Prediction
    candidates: Candidates
    training: dict[str, Any]
    restarts: list[Start]
    agreement: Agreement
    components: list[Component]
    anomalies: list[Anomaly]
    settings: dict[str, Any]
    command: str
    versions: dict[str, str]
    machine: str
    seconds: float
