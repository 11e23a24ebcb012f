"""The shop of the README, as it stands in examples/declaration.py: two event tables, one score."""

from modelpack import Event, Profile, Score, age, count, decayed, last, mean, total

customer = Profile(
    "customer",
    key="customer_id",
    events=[
        Event(
            "purchase",
            at="purchased_at",
            features={
                "purchases": count(),
                "purchases_90d": count(window="90 days"),
                "spend": total("amount"),
                "basket": mean("amount"),
                "last_purchase_at": last("purchased_at"),
            },
        ),
        Event(
            "complaint",
            at="created_at",
            where="severity > 1",
            features={
                "complaints": count(),
                "complaint_heat": decayed(half_life="14 days"),
            },
        ),
    ],
    # An input that is not named here is the profile's column of the same name, such as plan.
    scores=[Score("churn", model="churn", inputs={"days_quiet": age("last_purchase_at")})],
)
