"""The command for Prometheus: `modelpack metrics`."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from modelpack.cli.session import Session, command, in_words
from modelpack.errors import RegistryError


def metrics(
    session: Session,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write a file for the node exporter's textfile collector.",
            metavar="FILE.prom",
        ),
    ] = None,
    listen: Annotated[
        int | None,
        typer.Option(
            help="Serve them at this port, until the process is ended.", metavar="PORT", min=0, max=65535
        ),
    ] = None,
    address: Annotated[
        str,
        typer.Option(
            help="The address to listen at; anybody who reaches it can read the figures.", metavar="ADDRESS"
        ),
    ] = "127.0.0.1",
) -> None:
    """Figures for Prometheus: printed, written to a file, or served. Takes pip install 'modelpack[metrics]'."""
    from modelpack.monitoring.metrics import need_client, registry, write_textfile

    need_client()
    if output is not None and listen is not None:
        raise RegistryError("found --output and --listen, expected one of the two")
    if output is not None:
        with in_words():
            write_textfile(session.engine, output)
        session.say(f"{output}: written")
        session.answer({"file": str(output)})
    elif listen is not None:
        _serve(session, listen, address)
    else:
        from prometheus_client import generate_latest

        with in_words():
            made = registry(session.engine, strict=True)
            if session.as_json:
                session.answer(
                    [
                        {"name": s.name, "type": family.type, "labels": s.labels, "value": s.value}
                        for family in made.collect()
                        for s in family.samples
                    ]
                )
            else:
                session.plain(generate_latest(made).decode())


def _serve(session: Session, port: int, address: str) -> None:
    from prometheus_client import start_http_server

    from modelpack.monitoring.metrics import registry

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        server, thread = start_http_server(port, address, registry(session.engine))
    except OSError as error:
        raise RegistryError(
            f"nothing can listen at {address}:{port}: {error.strerror}; expected a free port of this machine"
        ) from error
    session.note(f"http://{address}:{server.server_port}/metrics")
    sys.stderr.flush()
    ended.wait()
    server.shutdown()
    server.server_close()
    thread.join()


def add_to(application: typer.Typer) -> None:
    """Register the command."""
    command(application)(metrics)
