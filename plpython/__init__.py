"""The live sources of the PL/Python functions."""
