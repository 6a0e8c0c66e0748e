"""Readers of datasets, the packed frame store and the P×K sampler."""
