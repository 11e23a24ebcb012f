"""An entity and all that is kept of it, erased. A room around the core, which knows nothing of it."""
