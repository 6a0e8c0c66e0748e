"""Searching a gallery: from a probe to people, similarities exact, the expired left out."""
