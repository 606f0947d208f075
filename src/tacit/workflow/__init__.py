"""The whole job on a table: fit, what the fit is worth, and answers to any question."""
