"""The table of the examples: four columns of scikit-learn's wine data, every fifth flavanoid cell hidden."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_wine


def wine_table() -> dict[str, np.ndarray]:
    """178 wines of three growers: alcohol, flavanoids (with holes), colour intensity, and the grower."""
    wine = load_wine()
    places = {name: place for place, name in enumerate(wine.feature_names)}
    table = {name: wine.data[:, places[name]].copy() for name in ("alcohol", "flavanoids", "color_intensity")}
    table["flavanoids"][::5] = np.nan
    return {**table, "grower": np.array(["A", "B", "C"])[wine.target]}
