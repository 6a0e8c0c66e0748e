"""The service and other ways to serve the same model, for bench.serve and bench.inference."""
