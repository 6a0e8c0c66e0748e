"""HTTP: the service around galleries, and the only package that knows FastAPI."""
