"""Clips to embeddings: a bundle and ONNX Runtime."""
