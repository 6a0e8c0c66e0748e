"""The domain: clips, modalities, representations, metrics, errors. No torch, no HTTP."""
