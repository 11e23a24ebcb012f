"""What the database knows of shadows, and of what another version would have said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from modelpack.declaration.duration import duration
from modelpack.errors import DeclarationError, RegistryError


@dataclass(frozen=True)
class Replay:
    """A score, and the version that is to be held against what scored."""

    profile: str
    score: str
    model: str
    since: datetime | None
    trained_until: datetime | None
    kind: str | None
    """Of the declared outcome; None without one."""


def moment(connection: Connection, since: str | None) -> datetime | None:
    """`30 days` (ago) or a moment. Raises RegistryError for anything else."""
    if since is None:
        return None
    try:
        ago = duration(since, what="--since")
    except DeclarationError:
        ago = None
    from sqlalchemy.exc import DataError

    asked = "select now() - :when" if ago is not None else "select cast(:when as timestamptz)"
    found: datetime | None
    try:
        with connection.begin_nested():
            found = connection.execute(text(asked), {"when": ago or since}).scalar()
    except DataError:
        raise RegistryError(
            f"--since {since!r}, expected a duration such as '30 days', or a moment"
        ) from None
    return found


def read_replay(
    connection: Connection,
    score: str,
    version: int,
    profile: str | None,
    since: str | None,
    until: str | None,
) -> Replay:
    """What is needed to replay a score by a version; `until`: when its training data ended, if the registry does not know."""
    found = connection.execute(
        text(
            "select p.name, s.model, (select x.value -> 'outcome' ->> 'kind' from jsonb_array_elements(p.declaration -> 'scores') as x "
            "where x.value ->> 'name' = s.score and x.value -> 'outcome' ->> 'sql' is not null) as kind, "
            "(select coalesce(v.tags ->> 'trained_until', v.lineage #>> '{training_data,until}') from modelpack.versions as v where v.model = s.model and v.version = :version) as trained "
            "from modelpack.score as s join modelpack.profile as p using (profile_id) where s.score = :score order by 1"
        ),
        {"score": score, "version": version},
    ).all()
    mine = [f for f in found if profile in (None, f.name, f.name.removeprefix("public."))]
    if len(mine) != 1:
        several = f"several profiles have a score {score}: {', '.join(f.name for f in found)}; name one with --profile"
        raise RegistryError(
            several
            if len(mine) > 1
            else f"there is no score {score}{'' if profile is None else ' of ' + profile}"
        )
    said = until or mine[0].trained
    trained = None if said is None else moment(connection, said)
    return Replay(mine[0].name, score, mine[0].model, moment(connection, since), trained, mine[0].kind)


def read_rows(connection: Connection, replay: Replay, version: int) -> list[Any]:
    """Logged scores beside those of the version."""
    return list(
        connection.execute(
            text("select * from modelpack.replay_rows(cast(:profile as regclass), :score, :version, :since)"),
            {"profile": replay.profile, "score": replay.score, "version": version, "since": replay.since},
        )
    )


def read_times(connection: Connection, replay: Replay, version: int) -> list[Any]:
    """How long the version takes for a row, beside the one that scored; in microseconds."""
    return list(
        connection.execute(
            text(
                "select * from modelpack.replay_times(cast(:profile as regclass), :score, :version, :since)"
            ),
            {"profile": replay.profile, "score": replay.score, "version": version, "since": replay.since},
        )
    )


def read_shadow(connection: Connection, model: str, version: int, since: str | None) -> list[Any]:
    """Scores beside those of a shadow."""
    return list(
        connection.execute(
            text("select * from modelpack.shadow_rows(:model, :version, :since)"),
            {"model": model, "version": version, "since": moment(connection, since)},
        )
    )
