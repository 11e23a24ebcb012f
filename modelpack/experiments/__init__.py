"""Experiments: which of several versions does more good. A room around the core and the outcomes, which know nothing of it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelpack.experiments.declared import Metric

__all__ = ["Metric"]


def __getattr__(name: str) -> Any:
    """What a declaration needs is imported when it is asked for: the command line needs only the names of commands."""
    if name in __all__:
        from modelpack.experiments import declared

        return getattr(declared, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
