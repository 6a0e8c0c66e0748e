"""Many clips into a gallery: where they come from, how they go in, which stay."""
