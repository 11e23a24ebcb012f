"""Features that move with the clock: windows of two lengths, decayed counts and decayed amounts."""

from modelpack import Event, Profile, count, decayed, deviation, distinct, mean, minimum

visitor = Profile(
    "visitor",
    key="visitor_id",
    events=[
        Event(
            "page_view",
            at="viewed_at",
            features={
                "views_7d": count(window="7 days", where="not is_bot"),
                "pages_30d": distinct("page", window="30 days"),
                "seconds_30d": mean("seconds", window="30 days"),
                "spread_30d": deviation("seconds", window="30 days"),
                "fastest_7d": minimum("seconds", window="7 days"),
                "interest": decayed(half_life="3 days", where="not is_bot"),
                "attention": decayed("seconds", half_life="12 hours"),
            },
        ),
    ],
)
