"""Outcomes, and how well scores fitted them. A room around the core: nothing below knows it, and it could be deleted."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelpack.outcomes.declared import Outcome

__all__ = ["Outcome"]


def __getattr__(name: str) -> Any:
    """What a declaration needs is imported when it is asked for: the command line needs only the names of commands."""
    if name in __all__:
        from modelpack.outcomes import declared

        return getattr(declared, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
