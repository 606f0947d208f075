"""Figures that matter, each made again by one command: `python -m benchmarks NAME`."""
