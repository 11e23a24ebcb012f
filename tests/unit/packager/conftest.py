"""Data for the packager's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

NUMBERS = ["visits", "spend", "days_quiet"]
TEXTS = ["plan", "region"]
TELCO = Path(__file__).parents[3].parent / "shared" / "data" / "telco_churn.csv"


@pytest.fixture(scope="session")
def customers() -> pd.DataFrame:
    """400 simulated customers without missing values."""
    rng = np.random.default_rng(5)
    rows = 400
    return pd.DataFrame(
        {
            "customer_id": [f"c{n}" for n in range(rows)],
            "visits": rng.poisson(4, rows),
            "spend": rng.gamma(2.0, 40.0, rows).round(2),
            "days_quiet": rng.exponential(30.0, rows),
            "plan": rng.choice(["basic", "plus", "pro"], rows),
            "region": rng.choice(["north", "south", ""], rows),
        }
    )


@pytest.fixture(scope="session")
def gaps(customers: pd.DataFrame) -> pd.DataFrame:
    """The same customers with missing numbers and texts."""
    frame = customers.copy()
    frame.loc[::9, "spend"] = np.nan
    frame.loc[4::11, "plan"] = None
    return frame


@pytest.fixture(scope="session")
def gone(customers: pd.DataFrame) -> Any:
    """Who left: 0 or 1."""
    rng = np.random.default_rng(6)
    risk = customers["days_quiet"] / 30 - customers["visits"] / 4 + (customers["plan"] == "basic")
    return (risk + rng.normal(0, 0.4, len(customers)) > 0.3).astype(int).to_numpy()


@pytest.fixture(scope="session")
def telco() -> pd.DataFrame:
    if not TELCO.exists():
        pytest.skip("the telco churn data set is not beside the checkout (../shared/data/telco_churn.csv)")
    return pd.read_csv(TELCO)
