"""ONNX graphs: brought to normal form with few nodes, and run as the server runs them."""
