"""Processor time of a command from its start to its end, in processes of their own: what is imported costs most of it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from benchmarks.ground import Ground
from benchmarks.rounds import Group, Run, interleave
from benchmarks.sizes import Sizes

PYTHON = "Python alone"
HELP = "modelpack --help"
LIST = "modelpack list"


def startup(ground: Ground, sizes: Sizes) -> Group:
    """The help, which needs no database, and a list of versions, which does."""
    group = Group("startup", "A command from start to end, processor time of the client", "ms", PYTHON)
    runs = {
        PYTHON: _spent("-c", "pass"),
        HELP: _spent("-m", "modelpack", "--help"),
        LIST: _spent("-m", "modelpack", "list", "--dsn", ground.dsn),
    }
    return interleave(group, runs, sizes.rounds)


def _spent(*arguments: str) -> Run:
    def run() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        # compiled modules are kept, as an installed package has them
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    return run
