"""PMML files: read without a DTD and within bounds, into steps of a formula; and a graph of ONNX of these steps."""
