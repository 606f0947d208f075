"""Many columns of levels, of which some have the same number: what is said of each is said by the density."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

import tacit
from tacit import VAE, DiscreteVAE, Mixture
from tacit._errors import TacitWarning

LEVELS = {"a": "xyz", "b": "pqr", "c": "klmnop", "d": "uvw", "e": "stz"}  # in runs of two, one and two


def frame(n: int, seed: int) -> pd.DataFrame:
    """Columns that lean to their first or last level together."""
    random = np.random.default_rng(seed)
    late = random.random(n) < 0.5
    return pd.DataFrame(
        {
            name: [
                random.choice(list(levels), p=softmax((1 if last else -1) * (j + 1) * 0.4 * np.arange(len(levels))))
                for last in late
            ]
            for j, (name, levels) in enumerate(LEVELS.items())
        }
    )


MODELS: dict[str, Any] = {
    "mixture": Mixture(2, random_state=0),
    "listed": DiscreteVAE(1, 3, gradient="enumeration", preset="fast", random_state=0, max_iter=60),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_said_of_a_column_is_a_ratio_of_densities(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TacitWarning)
        model = MODELS[name].fit(frame(300, seed=0))
    rows = frame(12, seed=1)
    rows.loc[3, "d"] = None
    model.save(tmp_path / "m.tacit")
    again = tacit.load(tmp_path / "m.tacit")
    for column, levels in LEVELS.items():
        found = model.predict_distribution(rows, column)
        assert "".join(found.levels) == levels
        densities = [model.score_samples(rows.assign(**{column: level})) for level in levels]
        expected = softmax(np.stack(densities, axis=1), axis=1)
        np.testing.assert_allclose(found.probabilities, expected, rtol=1e-4)
        np.testing.assert_array_equal(again.predict_distribution(rows, column).probabilities, found.probabilities)
        assert np.ptp(expected[:, 0]) > 0.05  # the other columns say something


def test_a_vae_of_them_comes_back_and_fills_their_holes(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TacitWarning)
        model = VAE(3, preset="fast", random_state=0, max_iter=60).fit(frame(300, seed=0))
    model.save(tmp_path / "m.tacit")
    rows = frame(12, seed=1)
    for place, name in enumerate(LEVELS):
        rows.loc[place::6, name] = None
    again = tacit.load(tmp_path / "m.tacit")
    pd.testing.assert_frame_equal(again.impute(rows), model.impute(rows))
    for name in LEVELS:
        missing = rows[name].isna()
        assert model.impute(rows)[name][missing].tolist() == model.predict(rows, name)[missing].tolist()
