"""What make runs: `bootstrap` prepares the checkout, `cluster` keeps its private PostgreSQL server,
`schema` writes revisions and freezes them. `wheel` is what the build of the wheel runs."""
