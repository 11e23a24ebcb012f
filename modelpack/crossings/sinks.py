"""Where `modelpack follow` hands crossings on: to standard output, a webhook, a Redis stream."""

from __future__ import annotations

import http.client
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from modelpack.crossings.following import Crossing, HandOverError
from modelpack.errors import ExtraError, RegistryError


class Lines:
    """One line of JSON each, on standard output."""

    each = False

    def send(self, crossing: Crossing) -> None:
        """Print it."""
        sys.stdout.write(crossing.line + "\n")

    def flush(self) -> None:
        """Whoever reads the pipe has it, or BrokenPipeError is raised."""
        sys.stdout.flush()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, and be lost."""

    def redirect_request(self, *_args: object, **_options: object) -> None:
        return None


class Webhook:
    """A POST for each crossing, with its number as `Idempotency-Key`; any answer but 2xx is a failure."""

    each = True

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        where = urlsplit(url)
        if where.scheme not in ("http", "https") or not where.hostname:
            raise RegistryError(
                "--webhook takes the address of a page, such as https://calls.example/crossed"
            )
        self._url = url
        self._host = where.hostname
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirect)

    def send(self, crossing: Crossing) -> None:
        """Post it."""
        request = urllib.request.Request(
            self._url,
            data=crossing.line.encode(),
            method="POST",
            headers={"Content-Type": "application/json", "Idempotency-Key": str(crossing.number)},
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            error.close()
            raise HandOverError(f"{self._host} answers {error.code}, expected 2xx") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise HandOverError(f"{self._host} does not answer: {reason or type(error).__name__}") from error

    def flush(self) -> None:
        """Each is there when it was answered."""


class RedisStream:
    """An entry of a Redis stream for each crossing: `id`, and `crossing` with the JSON."""

    each = False

    def __init__(self, url: str, stream: str, timeout: float = 10.0) -> None:
        try:
            import redis
        except ImportError:
            raise ExtraError(
                "a Redis stream needs the package redis, which is not installed here; run: pip install 'modelpack[redis]'"
            ) from None
        try:
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=timeout, socket_connect_timeout=timeout
            )
        except ValueError as error:
            raise RegistryError(f"--redis takes an address such as redis://host:6379/0: {error}") from None
        self._failures = redis.RedisError
        self._stream = stream

    def send(self, crossing: Crossing) -> None:
        """Append it."""
        try:
            self._redis.xadd(self._stream, {"id": crossing.number, "crossing": crossing.line})
        except (self._failures, OSError) as error:
            raise HandOverError(f"Redis: {error}") from error

    def flush(self) -> None:
        """Each is there when it was answered."""
