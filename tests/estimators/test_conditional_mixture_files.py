"""Conditional mixtures in model files: the same answers come back, and what cannot be a model is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import pytest
from numpy.testing import assert_allclose

import tacit
from tacit import ConditionalMixture, persistence
from tacit._errors import ModelFileError, OutputError
from tacit.networks import MLP, Fixed

FITTED = ["exact", "pair", "concrete", "amortised"]


def saved(path: Path, model: Any, manifest: dict[str, Any]) -> Path:
    own = ("format", "tacit", "class")
    persistence.save(model, path, manifest={key: value for key, value in manifest.items() if key not in own})
    return path


@pytest.mark.parametrize("name", FITTED)
def test_a_file_gives_the_same_answers(name: str, request: Any, lines: Any, targets: Any, tmp_path: Path) -> None:
    fitted: ConditionalMixture = request.getfixturevalue(name)
    X, y = targets if name == "pair" else lines
    fitted.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    assert isinstance(again, ConditionalMixture)
    assert_allclose(again.score_samples(X, y), fitted.score_samples(X, y), rtol=1e-12)
    assert_allclose(again.predict(X), fitted.predict(X), rtol=1e-12)
    own = ("latent", "inference", "n_components", "hidden_layer_sizes", "scale_floor")
    assert {key: str(again.get_params()[key]).strip("()[],") for key in own} == {
        key: str(fitted.get_params()[key]).strip("()[],") for key in own
    }
    for attribute in ("n_features_in_", "target_names_", "n_components_", "verdict_", "n_iter_", "component_labels_"):
        assert getattr(again, attribute) == getattr(fitted, attribute), attribute
    assert again.selection_ == fitted.selection_
    assert again.members_[0]["figure"] == fitted.members_[0]["figure"]
    again.save(tmp_path / "again.tacit")
    with pytest.raises(OutputError):
        fitted.save(tmp_path / "m.tacit")


def test_rounded_targets_and_regressions_come_back(lines: Any, tmp_path: Path) -> None:
    X, y = lines[0][["x"]].to_numpy(), np.round(lines[1].to_numpy() * 10) / 10
    fitted = ConditionalMixture(2, inference="em", dequantise=True, random_state=0).fit(X, y)
    fitted.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    assert_allclose(again.score_samples(X, y), fitted.score_samples(X, y))
    assert not hasattr(again, "feature_names_in_")


def changed(model: Any, where: Callable[[Any], Any], value: Any) -> Any:
    members = eqx.tree_at(where, model.members, value, is_leaf=lambda a: a is None or isinstance(a, Fixed))
    return replace(model, members=members)


DAMAGE: dict[str, Callable[[Any], Any]] = {
    "a width that does not fit": lambda m: changed(
        m, lambda e: e.features.layers[0].weight, m.members.features.layers[0].weight[:, :, :-1]
    ),
    "another number of members": lambda m: changed(
        m, lambda e: e.prior.head.bias, np.concatenate([m.members.prior.head.bias] * 2)
    ),
    "a number that is not finite": lambda m: changed(
        m, lambda e: e.prior.head.bias, np.full_like(m.members.prior.head.bias, np.nan)
    ),
    "double precision": lambda m: changed(m, lambda e: e.prior.head.bias, m.members.prior.head.bias.astype(float)),
    "an unknown activation": lambda m: changed(
        m, lambda e: e.features, MLP(m.members.features.layers, m.members.features.active, "sine")
    ),
    "no components": lambda m: changed(m, lambda e: e.likelihood, "none"),
    "a target of another kind": lambda m: replace(
        m, schema=type(m.schema)((replace(m.schema.columns[0], kind="count"),))
    ),
    "two targets": lambda m: replace(
        m, schema=type(m.schema)((*m.schema.columns, replace(m.schema.columns[0], name="z")))
    ),
    "covariates that lack one": lambda m: replace(
        m, covariates=replace(m.covariates, columns=m.covariates.columns[:1])
    ),
    "a covariate without spread": lambda m: replace(
        m,
        covariates=replace(
            m.covariates, columns=(replace(m.covariates.columns[0], spread=0.0), *m.covariates.columns[1:])
        ),
    ),
    "scales that vanish": lambda m: replace(m, spread=0.0),
    "no networks": lambda m: replace(m, members=None),
    "a cell of no width": lambda m: replace(m, cell=float("nan")),
    "a posterior that is none": lambda m: replace(m, posteriors=m.members),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_parts_that_do_not_fit_together_are_refused(damage: str, exact: ConditionalMixture, tmp_path: Path) -> None:
    path = saved(tmp_path / "m.tacit", DAMAGE[damage](exact.model_), exact._manifest)
    with pytest.raises(ModelFileError, match="do not fit together"):
        tacit.load(path)


def test_a_manifest_that_is_none_of_a_fit_is_refused(exact: ConditionalMixture, tmp_path: Path) -> None:
    for number, spoil in enumerate(
        [
            lambda found: found.pop("record"),
            lambda found: found["record"].pop("candidates"),
            lambda found: found["estimator"].pop("names"),
            lambda found: found["estimator"]["parameters"].update(colour="red"),
            lambda found: found["record"]["settings"].pop("k"),
        ]
    ):
        manifest = copy.deepcopy(exact._manifest)
        spoil(manifest)
        with pytest.raises(ModelFileError, match="damaged"):
            tacit.load(saved(tmp_path / f"{number}.tacit", exact.model_, manifest))
