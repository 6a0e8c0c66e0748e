"""How published gait results are counted, step by step: outcomes, resamples, tables."""
