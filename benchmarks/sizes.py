"""How much a run does: the whole suite, the quick one, and one that only shows that the suite works."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.models import Workload
from modelpack.publication import ENGINES

MAIN = Workload()


@dataclass(frozen=True)
class Sizes:
    """Numbers of events, rows, rounds and profiles; the sections that run."""

    name: str
    rounds: int
    customers: int = 10_000
    singles: int = 3000
    """Events of one reading of single statements inside the server."""
    slow: int = 300
    """The same of rivals that take a hundred times longer, and of clients."""
    statements: tuple[int, ...] = (10, 100, 10_000, 50_000, 100_000)
    copied: int = 50_000
    clients: tuple[int, ...] = (1, 2, 8)
    commits: tuple[str, ...] = ("on", "off")
    seconds: int = 2
    """Of one reading of pgbench."""
    main: Workload = MAIN
    models: tuple[Workload, ...] = ()
    profiles: int = 1_000_000
    """That are rescored."""
    rescores: int = 3
    grown_profiles: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    grown_events: tuple[int, ...] = (100_000, 1_000_000, 10_000_000)
    grown_versions: tuple[int, ...] = (1, 10, 100)
    grown_inputs: tuple[int, ...] = (8, 50, 200)
    connections: tuple[int, ...] = (1, 20, 50, 100)
    rivals: bool = True
    """Whether rivals run that need packages of their own or models that nothing else uses."""
    instructions: bool = False
    """Whether instructions are counted: minutes, on a server of its own."""

    def with_ten_million_profiles(self) -> Sizes:
        """The same, with one more size of the profile table."""
        return replace(self, grown_profiles=(*self.grown_profiles, 10_000_000))


_KINDS = ("logistic regression", "100 boosted trees", "200 deep trees", "small neural network")

FULL = Sizes(
    "full",
    rounds=5,
    instructions=True,
    models=(
        *(Workload(kind) for kind in _KINDS),
        *(Workload(kind, 10, 2) for kind in _KINDS),
        *(Workload(kind, 100) for kind in _KINDS[:2]),
        *(Workload(kind, engine="python") for kind in _KINDS[:2]),
    ),
)
QUICK = Sizes(
    "quick",
    rounds=3,
    singles=1000,
    slow=100,
    statements=(10, 100, 10_000),
    copied=10_000,
    clients=(2,),
    commits=("off",),
    seconds=1,
    models=(
        *(Workload(engine=engine) for engine in ENGINES),
        *(Workload(_KINDS[0], engine=engine) for engine in ENGINES),
        Workload(_KINDS[0], 10, 2),
    ),
    profiles=100_000,
    rescores=2,
    grown_profiles=(10_000, 100_000),
    grown_events=(100_000, 300_000),
    grown_versions=(1, 10),
    grown_inputs=(8, 50),
    connections=(1, 20),
    instructions=True,
)
TINY = Sizes(
    "tiny",
    rounds=2,
    customers=100,
    singles=20,
    slow=3,
    statements=(10, 100),
    copied=100,
    clients=(),
    commits=("off",),
    main=Workload("logistic regression"),
    models=(Workload("logistic regression"),),
    profiles=300,
    rescores=1,
    grown_profiles=(100, 200),
    grown_events=(100, 200),
    grown_versions=(1, 2),
    grown_inputs=(8,),
    connections=(1, 2),
    rivals=False,
)
