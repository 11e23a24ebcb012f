"""Shadows and replay: what another version would have said. A room around the core and the outcomes, which know nothing of it."""
