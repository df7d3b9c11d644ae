"""`headrace keys`: a user's keys, new ones, new bodies, switching off, and whose your own key is."""

from typing import Annotated

import typer
from rich.text import Text

from headrace.cli.api_client import Api, decode, segment
from headrace.cli.command import ServerCommand, Session, session_of
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.output import facts, table
from headrace.cli.shapes import AccessKey, KeyBody, NewUserKey, Person, Pointer

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at keys and make new ones.")


def own_key(api: Api) -> AccessKey:
    """The details of the key that asks."""
    prefix = api.target.key.partition(".")[0]
    return api.read(AccessKey, f"accounting/access-keys/{segment(prefix)}")


@app.command("list", cls=ServerCommand)
def list_keys(
    ctx: typer.Context,
    email: Annotated[str | None, typer.Argument(help="Whose keys; else those of your own user.")] = None,
) -> None:
    """List a user's keys."""
    session = session_of(ctx)
    raw = session.api.get(f"accounting/access-keys/user/{segment(email or _own_email(session.api))}")
    rows = decode(raw, list[AccessKey])
    session.output.show(
        raw,
        lambda: table(
            ("prefix", "name", "status", "roles", "created", "last used"),
            (
                (
                    key.prefix,
                    key.name,
                    key.status,
                    " ".join(key.roles),
                    key.created_at,
                    key.last_active_date_time or "-",
                )
                for key in rows
            ),
        ),
    )


def _own_email(api: Api) -> str:
    own = own_key(api)
    if own.user is None or not own.user.email:
        raise Failure("the server does not say whose key this is: name an e-mail", ExitCode.USAGE)
    return own.user.email


@app.command("show", cls=ServerCommand)
def show_key(
    ctx: typer.Context,
    prefix: Annotated[str | None, typer.Argument(help="The part before the dot; else your own key's.")] = None,
) -> None:
    """Show a key's user, roles and status. The part after the dot is not stored anywhere."""
    session = session_of(ctx)
    wanted = prefix or session.api.target.key.partition(".")[0]
    raw = session.api.get(f"accounting/access-keys/{segment(wanted)}")
    key = decode(raw, AccessKey)
    session.output.show(
        raw,
        lambda: facts(
            (
                ("prefix", key.prefix),
                ("name", key.name),
                ("user", key.user.email if key.user else ""),
                ("roles", ", ".join(key.roles)),
                ("status", key.status),
                ("created", key.created_at),
                ("last used", key.last_active_date_time),
            )
        ),
    )


@app.command(cls=ServerCommand)
def create(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(help="Whose key; a user that is not there yet is made.")],
    role: Annotated[list[str] | None, typer.Option(help="A role, Developer if none; may be repeated.")] = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
) -> None:
    """Make a key and print it. It is shown this once.

    Roles: SYSTEM_OWNER, ACCOUNT_ADMIN, DATA_SCIENTIST, Developer, Auditor.
    """
    session = session_of(ctx)
    api, roles = session.api, role or ["Developer"]
    known = api.read(list[Person], "accounting/users", {"email": email})
    if any(person.email.casefold() == email.casefold() for person in known):
        raw = api.post("accounting/access-keys", {"user": email, "roles": roles, "name": name})
    else:
        [account, *_] = api.read(list[Pointer], "accounting/accounts")
        made = api.post(f"accounting/accounts/{segment(account.identifier)}/users", {"email": email, "roles": roles})
        [key, *_] = decode(made, NewUserKey).access_keys
        raw = api.post(f"accounting/access-keys/{segment(key.prefix)}/hash")
        session.output.say(f"user {email} is made")
    _show_once(session, decode(raw, KeyBody), roles)


@app.command(cls=ServerCommand)
def renew(ctx: typer.Context, prefix: Annotated[str, typer.Argument(help="The part before the dot.")]) -> None:
    """Give a key a new body and print it. The old one stops working."""
    session = session_of(ctx)
    raw = session.api.post(f"accounting/access-keys/{segment(prefix)}/hash")
    _show_once(session, decode(raw, KeyBody), None)


def _show_once(session: Session, made: KeyBody, roles: list[str] | None) -> None:
    key = f"{made.prefix}.{made.hash}"
    session.output.show({"key": key, "prefix": made.prefix, "roles": roles}, lambda: Text(key))
    session.output.say("Keep it well: it is shown this once.")


@app.command(cls=ServerCommand)
def disable(ctx: typer.Context, prefix: Annotated[str, typer.Argument(help="The part before the dot.")]) -> None:
    """Switch a key off, at once."""
    _switch(session_of(ctx), prefix, "inactive")


@app.command(cls=ServerCommand)
def enable(ctx: typer.Context, prefix: Annotated[str, typer.Argument(help="The part before the dot.")]) -> None:
    """Switch a key on again."""
    _switch(session_of(ctx), prefix, "active")


def _switch(session: Session, prefix: str, status: str) -> None:
    raw = session.api.patch(f"accounting/access-keys/{segment(prefix)}", {"status": status})
    session.output.show(raw, lambda: Text(f"key {prefix} is {decode(raw, AccessKey).status}"))
