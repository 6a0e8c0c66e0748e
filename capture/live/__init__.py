"""Who is there now: one decision for each track, and who is told of it."""
