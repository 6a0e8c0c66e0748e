"""Parametric people seen by simulated sensors, written in SUSTech1K's layout."""
