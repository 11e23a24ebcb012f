"""A partitioned profile with a partitioned event table. The text is that of other tables: partitions come last."""

from modelpack import Event, Profile, Score, count, distinct

device = Profile(
    "device",
    key=("region", "device_id"),
    events=[
        Event("ping", at="pinged_at", features={"pings": count(), "networks": distinct("network")}),
    ],
    scores=[Score("fault")],
)
