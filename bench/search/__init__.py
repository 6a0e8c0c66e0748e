"""Galleries of sampled people, for bench.gallery."""
