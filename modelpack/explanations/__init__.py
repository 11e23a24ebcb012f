"""What made a score: contributions of its inputs. A room around the core, which knows nothing of it."""
