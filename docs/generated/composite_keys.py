"""A key of two columns, which the event table calls otherwise; an event without a profile is refused."""

from modelpack import Event, Profile, count, maximum

store_item = Profile(
    "store.item",
    key=("shop_id", "sku"),
    events=[
        Event(
            "store.movement",
            at="moved_at",
            key=("at_shop", "item_sku"),
            missing="refuse",
            features={"movements": count(), "largest_move": maximum("pieces")},
        ),
    ],
)
