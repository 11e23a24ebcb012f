"""How much of a sample is looked at."""

from __future__ import annotations

import numpy as np
import pandas as pd

SAMPLE_LIMIT = 20_000
"""Rows of the sample that are compared."""


def manageable(sample: pd.DataFrame) -> pd.DataFrame:
    """Of more than `SAMPLE_LIMIT` rows, as many evenly spaced ones."""
    if len(sample) <= SAMPLE_LIMIT:
        return sample
    return sample.iloc[np.linspace(0, len(sample) - 1, SAMPLE_LIMIT).round().astype(int)]
