"""Reading crossings as a follower, and handing them on: at least once, in the order of their transactions."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, text

from modelpack.connection import in_words
from modelpack.errors import RegistryError

LONGEST_PAUSE = 60.0
"""Seconds between two tries, at most."""

TRIES = 5
"""How often a hand-over is tried with `--once`; otherwise until it succeeds."""


@dataclass(frozen=True)
class Crossing:
    """One row of `modelpack.crossing`, as a consumer gets it, and the position behind it."""

    position: str
    document: dict[str, Any]

    @property
    def number(self) -> int:
        """By which a consumer drops repeats."""
        found: int = self.document["id"]
        return found

    @property
    def line(self) -> str:
        """The document as one line of JSON."""
        return json.dumps(self.document, ensure_ascii=True, default=_as_text)


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class HandOverError(Exception):
    """A crossing could not be handed on; another try may succeed."""


class Sink(Protocol):
    """Where crossings go."""

    each: bool
    """Whether each crossing is acknowledged by itself; else those that were read together."""

    def send(self, crossing: Crossing) -> None:
        """Hand one on. Raises HandOverError where that failed."""

    def flush(self) -> None:
        """What was sent is there."""


class Follower:
    """A name under which crossings of a score are read; its position is in the database."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def start(self, profile: str, score: str, causes: list[str] | None, from_start: bool) -> None:
        """Make the follower, or go on where it was. Raises RegistryError where it may not."""
        self._call(
            "select modelpack.start_follower(:name, cast(:profile as regclass), :score, cast(:causes as text[]), :start)",
            profile=profile,
            score=score,
            causes=causes,
            start=from_start,
        )

    def read(self, batch: int) -> list[Crossing]:
        """The next crossings; the same again until they are acknowledged."""
        found = self._call("select * from modelpack.read_crossings(:name, :batch)", batch=batch)
        return [
            Crossing(
                r.position,
                {
                    "id": r.crossing_id,
                    "profile": r.profile,
                    "score": r.score,
                    "key": r.entity_key,
                    "from": r.from_score,
                    "to": r.to_score,
                    "bounds": list(r.bounds),
                    "direction": r.direction,
                    "cause": r.cause,
                    "model": r.model,
                    "version": r.version,
                    "from_version": r.from_version,
                    "transaction": str(r.transaction_id),
                    "at": r.at,
                },
            )
            for r in found
        ]

    def acknowledge(self, crossing: Crossing) -> None:
        """All up to this crossing is done."""
        self._call("select modelpack.acknowledge_crossings(:name, :position)", position=crossing.position)

    def keep(self) -> None:
        """Say that this session still reads, while a hand-over takes long."""
        # a position before all others moves nothing
        self._call("select modelpack.acknowledge_crossings(:name, :position)", position="-999999999/0/0")

    def _call(self, statement: str, **values: Any) -> list[Any]:
        with in_words():
            return list(self._connection.execute(text(statement), {"name": self.name, **values}))


def follow(
    follower: Follower,
    sink: Sink,
    stop: threading.Event,
    note: Callable[[str], None],
    *,
    every: float = 1.0,
    batch: int = 100,
    once: bool = False,
) -> int:
    """Hand crossings on until `stop` is set, or with `once` until none is left; gives how many were.

    A crossing is acknowledged after it was handed on: what is interrupted in between is handed on again.
    """
    done = 0
    while not stop.is_set():
        crossings = follower.read(batch)
        sent: Crossing | None = None
        for crossing in crossings:
            if stop.is_set() or not _send(follower, sink, crossing, stop, note, TRIES if once else None):
                break
            sent = crossing
            done += 1
            if sink.each:
                follower.acknowledge(crossing)
        if sent is not None and not sink.each:
            sink.flush()
            follower.acknowledge(sent)
        if not crossings:
            if once:
                break
            stop.wait(every)
    return done


def _send(
    follower: Follower,
    sink: Sink,
    crossing: Crossing,
    stop: threading.Event,
    note: Callable[[str], None],
    tries: int | None,
) -> bool:
    """Whether it was handed on; False where it was told to stop first."""
    tried = 0
    while True:
        try:
            sink.send(crossing)
            return True
        except HandOverError as error:
            tried += 1
            if tries is not None and tried >= tries:
                raise RegistryError(
                    f"crossing {crossing.number} could not be handed on in {tried} tries: {error}; it is not acknowledged, "
                    "and the next run begins with it"
                ) from error
            pause = min(2.0 ** (tried - 1), LONGEST_PAUSE) * random.uniform(0.75, 1.25)
            note(f"crossing {crossing.number}: {error}; tried again in {pause:.0f} s")
            # several at a time, so that nobody takes the follower for gone
            waited = 0.0
            while waited < pause:
                if stop.wait(min(pause - waited, 15.0)):
                    return False
                waited += 15.0
                follower.keep()
