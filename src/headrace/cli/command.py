"""What all commands that talk to a server share: four options, the session behind them, and how they end."""

from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from headrace.cli import connection
from headrace.cli.api_client import Api
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.output import Output

PANEL = "Server and output"


class Session:
    """One run of a command: how it prints and, from the first use on, its connection."""

    def __init__(self, output: Output, url: str | None, key: str | None) -> None:
        self.output = output
        self._url, self._key = url, key
        self._api: Api | None = None

    @property
    def api(self) -> Api:
        if self._api is None:
            self._api = Api(connection.find(self._url, self._key))
        return self._api

    def use(self, api: Api) -> None:
        """For a command that knows its server better than flags and files do."""
        self.close()
        self._api = api

    def target(self) -> connection.Target:
        return connection.find(self._url, self._key)

    def close(self) -> None:
        if self._api is not None:
            self._api.close()


class LocalCommand(TyperCommand):
    """A command with --json and -q, which ends with one of our exit codes and a sentence, never with a traceback."""

    def __init__(self, *arguments: Any, params: list[Any] | None = None, **parts: Any) -> None:
        super().__init__(*arguments, params=[*(params or []), *self.shared_options()], **parts)

    def shared_options(self) -> list[TyperOption]:
        return [
            _option("as_json", "--json", flag=True, text="Print JSON on stdout."),
            _option("quiet", "-q", "--quiet", flag=True, text="No progress on stderr."),
        ]

    def invoke(self, ctx: Any) -> Any:
        output = Output(as_json=ctx.params.pop("as_json"), quiet=ctx.params.pop("quiet"))
        session = Session(output, ctx.params.pop("url", None), ctx.params.pop("key", None))
        ctx.obj = session
        try:
            return super().invoke(ctx)
        except Failure as failure:
            output.fail(failure)
            raise typer.Exit(failure.code) from failure
        except BrokenPipeError:
            raise  # `headrace … | head`: typer ends quietly
        except OSError as error:  # a file of the user's that cannot be read or written
            output.fail(Failure(str(error)))
            raise typer.Exit(ExitCode.FAILED) from error
        finally:
            session.close()


class ServerCommand(LocalCommand):
    """The same, with --url and --key."""

    def shared_options(self) -> list[TyperOption]:
        return [
            *super().shared_options(),
            _option("url", "--url", text="The server; else HEADRACE_URL, else the one that runs on this machine."),
            _option("key", "--key", text="prefix.body; else HEADRACE_API_KEY, else the key the server wrote down."),
        ]


def session_of(ctx: typer.Context) -> Session:
    session: Session = ctx.obj
    return session


def _option(name: str, *flags: str, text: str, flag: bool = False) -> TyperOption:
    return TyperOption(
        param_decls=[name, *flags],
        type=bool if flag else str,
        is_flag=flag,
        default=False if flag else None,
        help=text,
        rich_help_panel=PANEL,
    )
