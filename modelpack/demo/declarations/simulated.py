from modelpack import (
    Event,
    Profile,
    Score,
    age,
    count,
    decayed,
    last,
    mean,
    total,
)

customer = Profile(
    "demo.customer",
    key="customer_id",
    events=[
        Event(
            "demo.purchase",
            at="purchased_at",
            features={
                "purchases": count(),
                "purchases_30d": count(window="30 days"),
                "spend": total("amount"),
                "basket": mean("amount"),
                "last_purchase_at": last("purchased_at"),
            },
        ),
        Event(
            "demo.complaint",
            at="created_at",
            where="severity > 1",
            features={
                "complaints": count(),
                "complaints_30d": count(window="30 days"),
                "complaint_heat": decayed(half_life="14 days"),
            },
        ),
    ],
    scores=[
        # an input that is not named here is the column of the same name
        Score(
            "churn",
            model="demo_churn",
            inputs={
                "days_known": age("joined_at"),
                "days_quiet": age("last_purchase_at"),
            },
        )
    ],
)
