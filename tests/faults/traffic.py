"""Clients that write while something else happens, and know what they have committed."""

from __future__ import annotations

import threading

import psycopg

from dev.machine import wait_until
from tests.faults.hostile import visit


class Writer(threading.Thread):
    """One client: an event a statement, in a session that stays open all the time."""

    def __init__(self, dsn: str, number: int) -> None:
        super().__init__()
        self.dsn, self.number = dsn, number
        self.committed = 0
        self.error: BaseException | None = None
        self.enough = threading.Event()

    def run(self) -> None:
        try:
            with psycopg.connect(self.dsn, autocommit=True) as session:
                while not self.enough.is_set():
                    visit(session, (1 + (self.number + self.committed) % 25, self.committed % 300))
                    self.committed += 1
        except BaseException as error:
            self.error = error

    def goes_on(self) -> None:
        """Wait until some more events are in; fail where there was an error."""
        before = self.committed
        assert wait_until(lambda: self.error is not None or self.committed > before + 3, 30)
        assert self.error is None, repr(self.error)


class Traffic:
    """A few writers, from the beginning to the end of a `with`; an error of any of them fails it."""

    def __init__(self, dsn: str, clients: int = 2) -> None:
        self.writers = [Writer(dsn, number) for number in range(clients)]

    def __enter__(self) -> Traffic:
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *error: object) -> None:
        for writer in self.writers:
            writer.enough.set()
            writer.join()
        assert [writer.error for writer in self.writers if writer.error] == []

    def goes_on(self) -> None:
        """Wait until every writer has some more events in."""
        for writer in self.writers:
            writer.goes_on()

    @property
    def committed(self) -> int:
        """Events that are committed, of all writers."""
        return sum(writer.committed for writer in self.writers)
