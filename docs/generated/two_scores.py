"""Two scores of one profile. No feature moves with the clock, so many rows are scored in one call of each model."""

from modelpack import Event, Profile, Score, count, expression, ratio, total

account = Profile(
    "account",
    key="account_id",
    events=[
        Event("transfer", features={"transfers": count(), "sent": total("amount")}),
    ],
    scores=[
        Score("fraud", on_error="null", inputs={"mean_transfer": ratio("sent", "transfers")}),
        Score("value", model="account_value", inputs={"sent_thousands": expression("sent / 1000")}),
    ],
)
