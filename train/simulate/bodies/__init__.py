"""Bodies: their shapes, and the points of their surfaces."""
