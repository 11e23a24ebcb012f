"""The commands of alerts: `modelpack alerts`, and `modelpack alert add`, `remove` and `list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelpack.cli.session import SafeTable, Session, command, hanging, in_words
from modelpack.errors import RegistryError

if TYPE_CHECKING:
    from sqlalchemy import Connection

Model = Annotated[
    str, typer.Argument(help="Name of the model; - for all that have no bound of their own.", metavar="MODEL")
]
Kind = Annotated[
    str, typer.Argument(help="What is looked at: modelpack alert list names the kinds.", metavar="KIND")
]

app = typer.Typer(
    help="The bounds at which alerts are raised; sensible ones hold where nobody has set any.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add(
    session: Session,
    model: Model,
    kind: Kind,
    bound: Annotated[
        float | None,
        typer.Option(
            help="The bound; default: the one that holds where nobody has set any.", metavar="NUMBER"
        ),
    ] = None,
) -> None:
    """Raise alerts of a kind, at a bound: `modelpack alert add churn auc --bound 0.7`."""
    name = None if model == "-" else model
    with session.transaction() as connection, in_words():
        from sqlalchemy import text

        default = connection.execute(
            text("select bound from modelpack.alert_kind where kind = :kind"), {"kind": kind}
        ).scalar()
        if bound is None and default is None and _known(connection, kind):
            raise RegistryError(f"the kind {kind} has no default, expected --bound NUMBER")
        _set(connection, name, kind, bound, off=False)
    where = f"of {name}" if name else "of all models that have no bound of their own"
    session.say(f"Alerts {where} of the kind {kind} are raised at {default if bound is None else bound:g}.")
    session.answer({"model": name, "kind": kind, "bound": default if bound is None else bound})


def remove(session: Session, model: Model, kind: Kind) -> None:
    """Raise no alerts of a kind any more. What is open is closed at the next look."""
    name = None if model == "-" else model
    with session.transaction() as connection, in_words():
        _set(connection, name, kind, None, off=True)
    session.say(
        f"Alerts {f'of {name}' if name else 'of all models that have no bound of their own'} of the kind {kind} are raised no more."
    )
    session.answer({"model": name, "kind": kind, "bound": None})


def show(
    session: Session,
    model: Annotated[
        str | None,
        typer.Argument(
            help="Name of the model; default: what holds for all.", metavar="MODEL", show_default=False
        ),
    ] = None,
) -> None:
    """The kinds of alerts, what they mean, and at which bounds they are raised."""
    from sqlalchemy import text

    with session.transaction() as connection, in_words():
        if model is not None:
            from modelpack.monitoring.page.facts import get_model

            get_model(connection, model)
        found = connection.execute(
            text(
                "select b.model, b.kind, b.bound, b.below, b.unit, b.meaning, b.set_by from modelpack.alert_bounds as b "
                "where b.model = :model or b.model = '' and b.kind in ('interrupted', 'observe') order by b.position"
            ),
            {"model": model or ""},
        ).all()
    table = SafeTable("kind", "bound", "set by", "meaning")
    for f in found:
        sign = "below" if f.below else "above"
        table.add_row(
            f.kind, "off" if f.bound is None else f"{sign} {f.bound:g} ({f.unit})", f.set_by or "", f.meaning
        )
    session.say(table)
    session.answer([dict(f._mapping) for f in found])


def alerts(
    session: Session,
    model: Annotated[
        str | None,
        typer.Argument(help="Name of the model; default: all.", metavar="MODEL", show_default=False),
    ] = None,
    closed: Annotated[
        bool, typer.Option("--closed", help="Also those of the last 30 days that are closed.")
    ] = False,
    webhook: Annotated[
        str | None,
        typer.Option(
            help="Post what was opened or closed to this address, as JSON.",
            metavar="URL",
            envvar="MODELPACK_WEBHOOK",
        ),
    ] = None,
    mail_to: Annotated[
        str | None,
        typer.Option(help="Send what was opened or closed to these addresses.", metavar="ADDRESS,…"),
    ] = None,
    smtp: Annotated[
        str | None,
        typer.Option(
            help="The mail server; SMTP_PORT, SMTP_USER, SMTP_PASSWORD and SMTP_TLS are read, too.",
            metavar="HOST[:PORT]",
            envvar="SMTP_HOST",
        ),
    ] = None,
    mail_from: Annotated[
        str | None, typer.Option(help="Whom mail is from.", metavar="ADDRESS", envvar="SMTP_FROM")
    ] = None,
) -> None:
    """What is wrong. Exit code 1 where an alert is open. For a scheduler with --webhook or --mail-to: each is told once."""
    from sqlalchemy import text

    from modelpack.monitoring.delivery import DeliveryError, Mail, Webhook, deliver

    receivers: list[Webhook | Mail] = [
        *([Webhook(webhook)] if webhook is not None else []),
        *([Mail(mail_to, smtp, mail_from)] if mail_to is not None else []),
    ]
    with session.transaction() as connection, in_words():
        if model is not None:
            from modelpack.monitoring.page.facts import get_model

            get_model(connection, model)
        # a job cannot say that it has not run
        connection.execute(text("select modelpack.watch_observe()"))
    with session.transaction() as connection, in_words():
        found = connection.execute(
            text(
                "select a.alert_id, a.model, a.kind, a.subject, a.opened_at, a.closed_at, a.value, a.bound, a.words, a.closed_because from modelpack.alert as a "
                "where (cast(:model as text) is null or a.model in (:model, '')) "
                "and (a.closed_at is null or :closed and a.closed_at > now() - interval '30 days') order by a.closed_at nulls first, a.alert_id"
            ),
            {"model": model, "closed": closed},
        ).all()
    told, failed = {}, []
    for receiver in receivers:
        kind = "webhook" if isinstance(receiver, Webhook) else "mail"
        try:
            with in_words():
                told[kind] = deliver(session.engine, receiver.name, receiver)
        except DeliveryError as error:  # the other receiver is told all the same
            failed.append(str(error))
    still = [f for f in found if f.closed_at is None]
    for f in found:
        state = (
            f"since {f.opened_at:%Y-%m-%d %H:%M}"
            if f.closed_at is None
            else f"closed {f.closed_at:%Y-%m-%d %H:%M}"
        )
        session.say(hanging(f"{f.kind}", f"{f.model + ': ' if f.model else ''}{f.words} ({state})", 12))
    if not still:
        session.say("No alert is open.")
    for kind, number in told.items():
        session.say(f"Told by {kind}: {number}.")
    session.answer(
        {"open": len(still), "alerts": [dict(f._mapping) for f in found], "told": told, "failed": failed}
    )
    if failed:
        raise DeliveryError("; ".join(failed))
    if still:
        raise typer.Exit(1)


def _known(connection: Connection, kind: str) -> bool:
    from sqlalchemy import text

    return bool(
        connection.execute(
            text("select exists (select from modelpack.alert_kind where kind = :kind)"), {"kind": kind}
        ).scalar()
    )


def _set(connection: Connection, model: str | None, kind: str, bound: float | None, *, off: bool) -> None:
    from sqlalchemy import text

    connection.execute(
        text("select modelpack.set_alert(:model, :kind, cast(:bound as double precision), :off)"),
        {"model": model, "kind": kind, "bound": bound, "off": off},
    )


for _one in (add, remove):
    command(app)(_one)
command(app, "list")(show)


def add_to(application: typer.Typer) -> None:
    """Register the commands."""
    command(application)(alerts)
    application.add_typer(app, name="alert", short_help="The bounds at which alerts are raised")
