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
from modelpack.outcomes import Outcome

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
            # what the score says in advance: who buys nothing more has left
            outcome=Outcome(
                "not exists (select from demo.purchase as e"
                " where e.customer_id = p.customer_id"
                " and e.purchased_at > t.at and e.purchased_at <= t.until)",
                horizon="91 days",
            ),
        )
    ],
)
