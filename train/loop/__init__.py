"""The optimisation loop: a step, what is watched between steps, and how a run ends."""
