"""Recorded motion: ASF/AMC and BVH files turned into walks that drive a simulated body."""
