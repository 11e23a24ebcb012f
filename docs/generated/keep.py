"""Features that outlive their events (on_delete="keep"); an event without a profile is passed over."""

from modelpack import Event, Profile, count, first, total

machine = Profile(
    "machine",
    key="machine_id",
    events=[
        Event(
            "reading",
            at="read_at",
            missing="ignore",
            on_delete="keep",
            features={
                "readings": count(),
                "energy": total("kilowatt_hours"),
                "first_status": first("status"),
                "readings_1h": count(window="1 hour"),
            },
        ),
    ],
)
