"""Timing and counting training steps, for bench.train and bench.ranks."""
