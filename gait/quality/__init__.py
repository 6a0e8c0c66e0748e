"""How good a clip is for telling who walks in it, 0..1, and what is wrong with it."""
