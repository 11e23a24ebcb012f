"""Where a model and a sample come from: files, models of MLflow's, objects of the caller."""
