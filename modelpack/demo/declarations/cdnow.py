from modelpack import (
    Event,
    Profile,
    Score,
    age,
    count,
    decayed,
    first,
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
                "purchases_60d": count(window="60 days"),
                "purchase_heat": decayed(half_life="30 days"),
                "spend": total("dollars"),
                "basket": mean("dollars"),
                "first_purchase_at": first("purchased_at"),
                "last_purchase_at": last("purchased_at"),
            },
        ),
    ],
    scores=[
        # an input that is not named here is the column of the same name
        Score(
            "churn",
            model="demo_churn",
            inputs={
                "days_known": age("first_purchase_at"),
                "days_quiet": age("last_purchase_at"),
            },
        )
    ],
)
