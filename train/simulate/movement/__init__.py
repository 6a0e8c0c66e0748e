"""How bodies move: from curves, from statistics of recorded people, or from recordings."""
