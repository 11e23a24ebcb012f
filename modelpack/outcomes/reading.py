"""What the database knows of scores and their outcomes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from modelpack.errors import RegistryError
from modelpack.outcomes.report import Row


def get_score(connection: Connection, score: str, profile: str | None) -> tuple[str, dict[str, Any]]:
    """The profile of a score with an outcome, and the outcome as it is declared.

    Raises RegistryError where there is none, or several profiles have one and `profile` names none of them.
    """
    found = connection.execute(
        text(
            "select p.name, s.value ->> 'name' as score, s.value -> 'outcome' as outcome, s.value ->> 'model' as model "
            "from modelpack.profile as p cross join jsonb_array_elements(p.declaration -> 'scores') as s where s.value ? 'outcome'"
        )
    ).all()
    names = [f"{f.score} of {f.name}" for f in found]
    mine = [
        f for f in found if f.score == score and (profile is None or f.name in (profile, f"public.{profile}"))
    ]
    if len(mine) != 1:
        several = " of several profiles; name one with --profile" if len(mine) > 1 else ""
        raise RegistryError(
            f"{score} is {'a score' if several else 'no score with an outcome'}{several}; scores with one: "
            f"{', '.join(names) or 'none'}; declare it: Score(…, outcome=Outcome(…)), and run modelpack apply"
        )
    return mine[0].name, {**mine[0].outcome, "model": mine[0].model}


def read_rows(connection: Connection, profile: str, score: str, since: str | None) -> list[Row]:
    """Every score of the cohorts, beside its outcome."""
    return [
        Row(r.version, r.cut_off, r.entity, r.prediction, r.outcome, r.status, r.final, r.segments)
        for r in connection.execute(
            text(
                "select * from modelpack.fit_rows(cast(:profile as regclass), :score, cast(:since as timestamptz))"
            ),
            {"profile": profile, "score": score, "since": since},
        )
    ]


def read_rivals(connection: Connection, profile: str, score: str, rival: int, since: str | None) -> list[Any]:
    """Settled scores beside those of another version for the same inputs."""
    return list(
        connection.execute(
            text(
                "select * from modelpack.rival_rows(cast(:profile as regclass), :score, :rival, cast(:since as timestamptz))"
            ),
            {"profile": profile, "score": score, "rival": rival, "since": since},
        )
    )


def scored_by_both(rows: list[Any], version: int) -> tuple[list[Any], str]:
    """Rows that the other version scores as well, and what is to be said of the rest; nothing where there is none."""
    kept = [r for r in rows if r.rival_prediction is not None]
    without = len(rows) - len(kept)
    said = f"Version {version} gives no score for {without:,} of {len(rows):,} rows, which are left out: without them it may look better than it is."
    return kept, said if without else ""


def published_after(connection: Connection, model: str, version: int, cut_off: object) -> bool:
    """Whether a version was published after a moment."""
    return bool(
        connection.execute(
            text(
                "select created_at > :cut_off from modelpack.versions where model = :model and version = :version"
            ),
            {"model": model, "version": version, "cut_off": cut_off},
        ).scalar()
    )
