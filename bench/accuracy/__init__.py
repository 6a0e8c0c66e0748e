"""Embedded walks and the draws that enrol them, for bench.fusion and bench.gallery."""
