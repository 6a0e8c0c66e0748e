"""Datasets and packs: readers, the frame store, who is trained on, and batches."""
