"""What a version takes: whether a row can be scored, and its numbers in the memory that the calls of a version share."""

import json
import struct
from collections.abc import Callable

LARGEST = 3.4028235677973366e38  # from here on float32 is infinite


class Inputs:
    """The inputs of a signature."""

    def __init__(self, signature: str) -> None:
        inputs = json.loads(signature)["inputs"]
        self.names = [i["name"] for i in inputs if i["type"] == "number"]
        self.words = [i for i in inputs if i["type"] == "text"]
        self.needed = [i["name"] for i in inputs if i["type"] == "number" and not i["missing"]]
        self.row = bytearray(4 * len(self.names))
        """The numbers of a row, float32; NaN: missing."""

    def filler(self) -> Callable[[list[float | None]], str | None]:
        """The function that puts numbers into `row`, or says why they cannot be scored.

        It is a closure: these classes are made anew for each version, so where a session has several, Python does not
        learn where the attributes of `self` lie.
        """
        row, unfit, nan = self.row, self.unfit, float("nan")
        pack = struct.Struct(f"={len(self.names)}f").pack_into  # refuses what float32 does not hold

        def fill(numbers: list[float | None]) -> str | None:
            try:
                # no sum where one is NULL, and a sum that is not finite where one is not
                total: float = sum(numbers)  # type: ignore[arg-type]
                pack(row, 0, *numbers)
                if total - total == 0.0:
                    return None
            except (TypeError, OverflowError):
                pass
            reason = unfit(numbers)
            if reason is None:
                pack(row, 0, *[nan if value is None else value for value in numbers])
            return reason

        return fill

    def unfit(self, numbers: list[float | None]) -> str | None:
        """Why the numbers cannot be scored, if they cannot. NaN is a missing value."""
        for name, value in zip(self.names, numbers, strict=True):
            if value is None or value != value:
                if name in self.needed:
                    return f"input {name} is NULL, which the model does not take"
            elif not -LARGEST < value < LARGEST:
                return f"input {name} is beyond what float32 holds"
        return None
