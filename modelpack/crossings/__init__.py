"""What a changed score sets off. A room around the core, which knows nothing of it."""
