"""What scoring in place costs, beside what it replaces. `make bench`."""
