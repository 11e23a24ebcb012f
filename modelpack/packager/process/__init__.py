"""The process of its own in which a model is converted and checked."""
