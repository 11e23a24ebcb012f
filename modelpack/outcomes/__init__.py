"""Outcomes, and how well scores fitted them. A room around the core: nothing below knows it, and it could be deleted."""

from modelpack.outcomes.declared import Outcome

__all__ = ["Outcome"]
