"""Whether the graph scores as the estimator does: the oracle, the rows that it is asked about, the comparison, golden rows."""
