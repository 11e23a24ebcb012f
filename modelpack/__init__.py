"""In-database scoring for PostgreSQL: declare a profile, publish a model, and every INSERT rescores."""
