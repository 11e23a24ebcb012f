"""A version as a formula: read from its ONNX graph, and held against its golden rows."""
