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
            # what the score says in advance: who buys nothing more has left
            outcome=Outcome(
                "not exists (select from demo.purchase as e"
                " where e.customer_id = p.customer_id"
                " and e.purchased_at > t.at and e.purchased_at <= t.until)",
                horizon="90 days",
            ),
        )
    ],
)
