"""Tells receivers of openings and closings of alerts: a webhook, or mail. Each once, in order; again where it failed."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import smtplib
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from email.message import EmailMessage
from time import sleep
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, text

from modelpack.errors import RegistryError
from modelpack.settings import lift_limits

Row = dict[str, Any]

MOST = 1000
"""Events that one call delivers; what is left comes with the next."""


class DeliveryError(RegistryError):
    """A receiver of alerts could not be told."""


def deliver(engine: Engine, channel: str, send: Callable[[Row], None]) -> int:
    """Send what the channel has not been told, each in a transaction of its own; gives how many.

    The channel's row is held while one is sent, so two who deliver at once send nothing twice. Where the server or this process
    ends between sending and committing, it is sent again: receivers drop repeats by the number of the event.
    Raises DeliveryError where sending fails; the next call begins with the one that failed.
    """
    for number in range(MOST):
        with engine.begin() as connection:
            connection.exec_driver_sql(lift_limits())
            found = connection.execute(
                text("select * from modelpack.next_alert(:channel)"), {"channel": channel}
            ).one_or_none()
            if found is None:
                return number
            send(dict(found._mapping))
            connection.execute(
                text("select modelpack.sent_alert(:channel, :event)"),
                {"channel": channel, "event": found.event_id},
            )
    return MOST


def channel(kind: str, *address: str) -> str:
    """The name of a receiver in the database: a hash, since an address may hold a secret."""
    return f"{kind}:{hashlib.sha256(chr(0).join(address).encode()).hexdigest()[:32]}"


def document(event: Row) -> Row:
    """What receivers get."""
    return {
        "event": event["event_id"],
        "what": event["what"],
        "alert": event["alert_id"],
        "model": event["model"] or None,
        "kind": event["kind"],
        "subject": event["subject"],
        "opened_at": event["opened_at"].isoformat(),
        "closed_at": event["closed_at"] and event["closed_at"].isoformat(),
        "value": event["value"],
        "bound": event["bound"],
        "text": line(event),
    }


def line(event: Row) -> str:
    """An opening or closing in one line."""
    name = f"{event['model']}: " if event["model"] else ""
    if event["what"] == "opened":
        return f"{name}{event['kind']}: {event['words']}"
    return f"{name}{event['kind']} is over: {event['subject']}; {event['closed_because']}"


class Webhook:
    """Posts JSON to an address, with a limit of time and a few tries."""

    def __init__(
        self, url: str, *, timeout: float = 10, tries: int = 3, pause: Callable[[float], None] = sleep
    ) -> None:
        self.name = channel("webhook", url)
        self._url, self._timeout, self._tries, self._pause = url, timeout, tries, pause
        self._host = _host(url)
        # a redirect could take what is sent to somebody else
        self._opener = urllib.request.build_opener(_NoRedirect)

    def __call__(self, event: Row) -> None:
        """Send one. Raises DeliveryError."""
        body = json.dumps(document(event), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "modelpack",
            "Idempotency-Key": f"modelpack-alert-{event['event_id']}",
        }
        said = "nothing"
        for number in range(self._tries):
            if number:
                self._pause(2.0**number / 2)
            try:
                status = within(self._timeout, lambda: self._post(body, headers))
            except http.client.HTTPException as error:
                said = f"something that is no HTTP ({type(error).__name__})"  # its words may be all of the answer
            except (OSError, ValueError) as error:
                said = str(getattr(error, "reason", None) or error or type(error).__name__)
            else:
                if 200 <= status < 300:
                    return
                said = f"status {status}"
                if status < 500 and status not in (408, 425, 429):
                    break  # it would say the same again
        raise DeliveryError(
            f"the webhook at {self._host} answered {said} to event {event['event_id']}, expected a status of 200 to 299; "
            "the next call sends it again"
        )

    def _post(self, body: bytes, headers: Mapping[str, str]) -> int:
        # the scheme was looked at; the answer is not read
        request = urllib.request.Request(self._url, body, dict(headers), method="POST")
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code


def within(seconds: float, work: Callable[[], int]) -> int:
    """What `work` gives, or TimeoutError. The limits of sockets are for each byte: who sends one now and then never ends.

    What has not ended goes on in its thread, and ends with the process.
    """
    given: list[int] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(work())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if given:
        return given[0]
    if raised:
        raise raised[0]
    raise TimeoutError(f"nothing within {seconds:g} s")


def _host(url: str) -> str:
    # the rest of the address may be a secret, so it is not repeated
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        port, host, parts = None, None, urlsplit("")
    if (
        parts.scheme not in ("http", "https")
        or not host
        or port == 0
        or any(c.isspace() or not c.isprintable() for c in url)
    ):
        raise RegistryError(
            "--webhook is no address that can be posted to, expected an address that begins with https:// or http://, has a host, and no spaces"
        )
    return host


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_given: Any) -> None:
        return None


class Mail:
    """Sends mail by a server that options or the environment name: SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASSWORD, SMTP_FROM, SMTP_TLS."""

    def __init__(
        self,
        to: str,
        host: str | None = None,
        sender: str | None = None,
        environment: Mapping[str, str] = os.environ,
        *,
        timeout: float = 60,
    ) -> None:
        given = host or environment.get("SMTP_HOST")
        if not given:
            raise RegistryError("no mail server is named, expected --smtp HOST[:PORT] or SMTP_HOST")
        name, _, port = given.partition(":")
        port = port or environment.get("SMTP_PORT", "25")
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise RegistryError(f"the port of the mail server is {port!r}, expected a number from 1 to 65535")
        self._host, self._port = name, int(port)
        self._to = [part.strip() for part in to.split(",") if part.strip()]
        self._from = sender or environment.get("SMTP_FROM", f"modelpack@{name}")
        for address in (*self._to, self._from):
            if "@" not in address or any(c.isspace() or not c.isprintable() for c in address):
                raise RegistryError(f"{address!r} is no mail address, expected NAME@HOST")
        if not self._to:
            raise RegistryError(
                f"--mail-to is {to!r}, expected one or more addresses with commas between them"
            )
        self._user, self._password = environment.get("SMTP_USER"), environment.get("SMTP_PASSWORD", "")
        self._tls = environment.get("SMTP_TLS", "yes" if self._user else "if offered")
        if self._tls not in ("yes", "no", "if offered"):
            raise RegistryError(f"SMTP_TLS is {self._tls!r}, expected yes or no")
        self._timeout = timeout
        self.name = channel("mail", *sorted(self._to))

    def __call__(self, event: Row) -> None:
        """Send one. Raises DeliveryError."""
        message = EmailMessage()
        subject = (
            f"[modelpack] {event['what']}: {event['model'] + ' ' if event['model'] else ''}{event['kind']}"
        )
        message["Subject"] = "".join(c if c.isprintable() else " " for c in subject)
        message["From"], message["To"] = self._from, ", ".join(self._to)
        message["Message-ID"] = f"<modelpack-alert-{event['event_id']}-{self.name[5:21]}@{self._host}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n".join(_letter(event)))
        try:
            within(self._timeout, lambda: self._send(message))
        except (OSError, smtplib.SMTPException) as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise DeliveryError(
                f"the mail server at {self._host}:{self._port} did not take event {event['event_id']}: {said}; the next call sends it again"
            ) from error

    def _send(self, message: EmailMessage) -> int:
        with smtplib.SMTP(self._host, self._port, timeout=10) as server:
            server.ehlo()
            if self._tls != "no" and (self._tls == "yes" or server.has_extn("starttls")):
                server.starttls(context=ssl.create_default_context())
            if self._user:
                server.login(self._user, self._password)
            return len(server.send_message(message))


def _letter(event: Row) -> Iterator[str]:
    yield line(event)
    yield ""
    yield f"Opened: {event['opened_at']:%Y-%m-%d %H:%M %Z}"
    if event["closed_at"]:
        yield f"Closed: {event['closed_at']:%Y-%m-%d %H:%M %Z}"
    yield f"Value: {'-' if event['value'] is None else format(event['value'], '.4g')}, bound: {event['bound']:.4g}"
    if event["model"]:
        yield ""
        yield f"More: modelpack status {event['model']}, or modelpack report {event['model']} -o report.html"
