"""What a run tells people: progress, metrics, and at its end numbers, curves and pictures."""
