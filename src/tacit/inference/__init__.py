"""How the posterior and the model are improved."""
