"""The demo: one story, from empty tables to scores that are held against what happened.

It makes a schema of its own, `demo`, drops it when it runs again, and touches nothing else in the database but
the versions of its own model, `demo_churn`, and what belongs to them. A room above all others, whose story it tells: none
of them knows it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelpack.demo.telling import main

__all__ = ["main"]


def __getattr__(name: str) -> Any:
    """The story is imported when it is told: the command line needs only the name of the command."""
    if name in __all__:
        from modelpack.demo import telling

        return getattr(telling, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
