"""What a version says in hindsight: the whole log as it was at moments of the past, and what came after each."""

from __future__ import annotations

import json

import pandas as pd
from sqlalchemy import Engine, text

from modelpack.declaration.profile import Profile
from modelpack.demo.scenario import Hindsight
from modelpack.errors import ModelpackError
from modelpack.training import training_set
from modelpack.versions import Version

_MOST = 10_000
"""Rows that modelpack.score_rows() takes at a time."""


def hindsight_frame(
    engine: Engine, profile: Profile, past: Hindsight, model: str, version: Version
) -> pd.DataFrame:
    """Every customer at every moment: the training set of the declaration over the past's tables, and `score`."""
    with engine.begin() as connection:
        frame = training_set(
            connection, elsewhere(profile, past.renamed), at=list(past.cut_offs.values()), everybody=True
        )
        inputs = frame[list(version.inputs)].astype(object)
        rows = inputs.where(inputs.notna(), None).to_dict("records")
        scores = [
            score
            for start in range(0, len(rows), _MOST)
            for (score,) in connection.execute(
                text(
                    "select score from modelpack.score_rows(:model, :version, cast(:rows as jsonb)) order by place"
                ),
                {
                    "model": model,
                    "version": version.version,
                    "rows": json.dumps(rows[start : start + _MOST]),
                },
            )
        ]
    if None in scores:
        raise ModelpackError(
            f"version {version.version} gave no score for {scores.count(None):,} rows, expected none"
        )
    return frame.assign(score=scores)


def elsewhere(profile: Profile, renamed: dict[str, str]) -> Profile:
    """The same declaration over other tables."""
    declared = json.dumps(profile.to_dict())
    for table, other in renamed.items():
        declared = declared.replace(table, other)
    return Profile.from_dict(json.loads(declared))
