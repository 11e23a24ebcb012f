"""Roll-ups of the log, drift, alerts, and where people look. A room around the core, which knows nothing of it."""
