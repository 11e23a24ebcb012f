"""Trains a churn model on the features of 90 days ago and on who has bought nothing since.

Reads MODELPACK_DSN; writes churn.joblib (the estimator) and sample.csv (rows to prove parity on).
"""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import joblib
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from modelpack.connection import make_engine
from modelpack.declaration import load_profiles
from modelpack.training import training_set

INPUTS = [
    "plan",
    "purchases",
    "purchases_90d",
    "spend",
    "basket",
    "days_quiet",
    "complaints",
    "complaint_heat",
]
LEFT = "not exists (select from purchase as e where e.customer_id = p.customer_id and e.purchased_at > t.at)"

[customer] = load_profiles(Path(__file__).with_name("declaration.py"))
moment = datetime.now(timezone.utc) - timedelta(days=90)
with make_engine().connect() as connection:
    frame = training_set(connection, customer, at=[moment], label=LEFT)

model = make_pipeline(
    make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["plan"]), remainder="passthrough"),
    HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=8, random_state=1),
)
auc = cross_val_score(model, frame[INPUTS], frame["label"], scoring="roc_auc").mean()
model.fit(frame[INPUTS], frame["label"])
joblib.dump(model, "churn.joblib")
frame[INPUTS].to_csv("sample.csv", index=False)
print(f"{len(frame)} customers, {frame['label'].mean():.0%} left; cross-validated AUC {auc:.2f}")
