"""What a trained run does, as pictures: trajectories, people, conditions, successes, failures."""
