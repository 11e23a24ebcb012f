"""Mutants: small faults put into the code one by one, to see whether the tests mind. `make mutants`."""
