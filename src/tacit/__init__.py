"""Latent-variable density models you can trust."""
