"""What happens to versions after they are published: aliases, words, approval, grants, retirement, comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from modelpack.connection import Database


@dataclass(frozen=True)
class Promotion:
    """One step of a model's history: what was done with which version, by whom, when and why."""

    action: str
    """`promote`, `rollback` (of the champion), `alias`, `unalias` (of other names), `approve`, `withdraw` (an
    approval) or `retire`."""
    alias: str | None
    version: int | None
    previous: int | None
    reason: str
    at: datetime
    by: str

    def to_json(self) -> dict[str, Any]:
        """As JSON; times in ISO 8601."""
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(frozen=True)
class Difference:
    """Something in which two versions differ; of a score also where they agree. None: one has it not."""

    part: str
    """`input`, `output`, `metric`, `library`, `lineage` or `score` (then the name is the number of the row)."""
    name: str
    first: str | None
    second: str | None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Curation:
    """The part of the registry that describes and governs versions. Every call is a SQL function of the same name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _call(self, function: str, types: Sequence[str], *values: Any) -> list[Any]:
        arguments = ", ".join(f"cast(:a{n} as {kind})" for n, kind in enumerate(types))
        with self._database.transaction() as connection:
            return list(
                connection.execute(
                    text(f"select * from modelpack.{function}({arguments})"),
                    {f"a{n}": value for n, value in enumerate(values)},
                ).all()
            )

    def promotions(self, name: str) -> list[Promotion]:
        """The history of a model's champion, oldest first."""
        return [step for step in self.history(name) if step.action in ("promote", "rollback")]

    def history(self, name: str) -> list[Promotion]:
        """All that was done with a model's versions since they were published, oldest first."""
        with self._database.transaction() as connection:
            return [
                Promotion(**row._mapping)
                for row in connection.execute(
                    text(
                        "select action, alias, version, previous, reason, at, by::text from modelpack.promotion "
                        "where model = :name order by promotion_id"
                    ),
                    {"name": name},
                )
            ]

    def set_alias(self, name: str, alias: str, version: int, reason: str = "") -> None:
        """Let a name stand for a version. `champion` is the one that scores: that is `promote`."""
        self._call("set_alias", ("text", "text", "integer", "text"), name, alias, version, reason)

    def drop_alias(self, name: str, alias: str, reason: str = "") -> None:
        """Take a name off a model. `champion` stays."""
        self._call("drop_alias", ("text", "text", "text"), name, alias, reason)

    def set_tag(self, name: str, version: int, tag: str, value: str | None = "") -> None:
        """Tag a version; None takes the tag off."""
        self._call("set_tag", ("text", "integer", "text", "text"), name, version, tag, value)

    def add_note(self, name: str, version: int, note: str) -> None:
        """Add a note to a version."""
        self._call("add_note", ("text", "integer", "text"), name, version, note)

    def set_metric(self, name: str, version: int, metric: str, value: float | None) -> None:
        """Give a version a figure that was found later; None takes it off."""
        self._call(
            "set_metric", ("text", "integer", "text", "double precision"), name, version, metric, value
        )

    def approve(self, name: str, version: int, reason: str = "") -> None:
        """Approve a version for promotion. Its publisher cannot."""
        self._call("approve", ("text", "integer", "text"), name, version, reason)

    def withdraw_approval(self, name: str, version: int, reason: str = "") -> None:
        """Take the approval of a version back. Where it is the champion it scores on."""
        self._call("withdraw_approval", ("text", "integer", "text"), name, version, reason)

    def require_approval(self, name: str, required: bool = True) -> None:
        """Whether versions of a model need approval before they are promoted."""
        self._call("require_approval", ("text", "boolean"), name, required)

    def grant(self, name: str, role: str, may: str = "manage") -> None:
        """Let a role promote, roll back, alias, describe and retire versions of a model and score ad hoc with it
        (`manage`), or score ad hoc alone (`predict`)."""
        self._call("grant_model", ("text", "name", "text"), name, role, may)

    def revoke(self, name: str, role: str) -> None:
        """Take back all that `grant` gave."""
        self._call("revoke_model", ("text", "name"), name, role)

    def grants(self, name: str) -> dict[str, str]:
        """Roles to which a model is granted, with what they may: `manage` or `predict`."""
        with self._database.transaction() as connection:
            found = connection.execute(
                text("select role::text, may from modelpack.permission where model = :name order by role"),
                {"name": name},
            )
            return {row.role: row.may for row in found}

    def retire(self, name: str, version: int, reason: str = "") -> None:
        """Take a version out of use for good. Its bytes stay until `purge`."""
        self._call("retire", ("text", "integer", "text"), name, version, reason)

    def purge(self, retired_for: str | None = None) -> dict[str, int]:
        """Delete bytes that only versions name which were retired so long ago (`"30 days"`; None: as set).

        Returns the sizes in bytes by hash.
        """
        return {row.sha256: row.bytes for row in self._call("purge", ("interval",), retired_for)}

    def recheck(self, name: str, version: int | None = None) -> dict[str, Any]:
        """Put a version (None: the champion) through the server's gate again; raises RegistryError where it fails.

        Returns what the server recorded: `onnxruntime`, `numpy`, `python`, `memory` (bytes), `load_milliseconds`,
        `row_microseconds`.
        """
        (row,) = self._call("recheck", ("text", "integer"), name, version)
        return dict(row._mapping)

    def diff(
        self, name: str, first: int, second: int, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Difference]:
        """Where two versions differ, and their scores of the same rows (None: the golden rows of the first)."""
        given = None if rows is None else json.dumps(list(rows), ensure_ascii=False, allow_nan=False)
        found = self._call("diff", ("text", "integer", "integer", "jsonb"), name, first, second, given)
        return [Difference(*row) for row in found]
