"""Fronts that follow the conventions of scikit-learn: thin, no mathematics beyond units."""
