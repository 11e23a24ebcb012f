"""What stands in the place of a version that gives no scores. What a session keeps for one has `run`, which scores a row,
and `many`, which scores many, or None."""

import time
from typing import Any


class Broken:
    """Gives the reason instead of a score, until it is time to load the version again."""

    many = None

    def __init__(self, GD: dict[str, Any], version_id: int, reason: str, pause: float) -> None:
        self._reason, self._until = reason, time.monotonic() + pause
        self._version_id, self._GD, self._cache = version_id, GD, GD["modelpack"]

    def run(self, _numbers: Any, _texts: Any) -> None:
        self._GD["modelpack_failure"] = self._reason
        if time.monotonic() > self._until:
            self._cache.pop(self._version_id, None)


class Breaker:
    """After `limit` failures in a row a model is not called for `pause` seconds."""

    def __init__(self, GD: dict[str, Any], version: Any, limit: int, pause: float) -> None:
        self.in_a_row = 0
        self._limit, self._pause = limit, pause
        self._GD, self._version = GD, version

    def fails(self, reason: str, weight: int = 1) -> None:
        """Count a failure; at the limit stand in the place of the model."""
        self._GD["modelpack_failure"] = reason
        self.in_a_row += weight
        if self.in_a_row >= self._limit and self._version.run is self._version.whole[0]:
            self._until = time.monotonic() + self._pause
            self._reason = f"the model keeps failing and is not called for {self._pause:g} s: {reason}"
            self._version.run, self._version.many = self.refuse, None

    def runs_too_long(self, budget: float) -> None:
        """Four calls that had to be ended open it."""
        self.fails(
            f"the model ran beyond its time budget of {budget * 1000:g} ms and was ended",
            weight=-(-self._limit // 4),
        )

    def refuse(self, numbers: Any, texts: Any) -> Any:
        """What is called instead of the model."""
        if time.monotonic() < self._until:
            self._GD["modelpack_failure"] = self._reason
            return None
        # half-open: one success closes it, one failure opens it again
        self._version.run, self._version.many = self._version.whole
        return self._version.run(numbers, texts)
