"""Point clouds: their file formats, and the floor that is taken away."""
