"""From a checkpoint to an ONNX model bundle."""
