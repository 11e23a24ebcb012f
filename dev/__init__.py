"""What make runs: `bootstrap` prepares the checkout, `cluster` keeps its private PostgreSQL server."""
