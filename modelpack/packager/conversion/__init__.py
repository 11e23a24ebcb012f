"""From an estimator to an ONNX graph: skl2onnx, and what it gets wrong or leaves out."""
