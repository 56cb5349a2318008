"""The commands of operators, from `status` to `top`.

Exit status: 0 it was done, 1 not, 2 usage, 130 Ctrl-C.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from rich.console import Group
from rich.live import Live
from rich.text import Text

from cli.operate import views
from cli.operate.flags import open_console, operator_parser, scheduler_of, show
from cli.output import Terminal, print_text
from peers.operator import OperatorError

_SESSION_REF = re.compile(r"[0-9a-f]{16}")
_MOST_PAIRS_ON_TOP = 20
_MOST_NODES_ON_TOP = 20


def _told(work: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Do it; say in one line why not."""
    try:
        work(arguments)
    except OperatorError as error:
        sys.stderr.write(f"lingua: {' '.join(str(error).split())}\n")
        return 1
    return 0


def status(argv: Sequence[str]) -> int:
    """Show how the whole service stands."""
    parser = operator_parser("status", "Show how the service stands: store, sessions, nodes, jobs.")

    def work(arguments: argparse.Namespace) -> None:
        scheduler = scheduler_of(arguments)
        stats, cluster = scheduler.get("stats"), scheduler.get("cluster")
        show(arguments, {"stats": stats, "cluster": cluster}, views.status_view(stats, cluster))

    return _told(work, parser.parse_args(argv))


def nodes(argv: Sequence[str]) -> int:
    """Show the nodes."""
    parser = operator_parser("nodes", "Show the nodes: slots, speed, errors, why not chosen.")

    def work(arguments: argparse.Namespace) -> None:
        with scheduler_of(arguments).commands() as commands:
            found = commands.do("list_nodes")
        show(arguments, found, views.nodes_view(found["nodes"]))

    return _told(work, parser.parse_args(argv))


def sessions(argv: Sequence[str]) -> int:
    """Show the sessions."""
    parser = operator_parser("sessions", "Show the open sessions of all instances.")

    def work(arguments: argparse.Namespace) -> None:
        with scheduler_of(arguments).commands() as commands:
            found = commands.do("list_sessions")
        show(arguments, found, views.sessions_view(found["sessions"], time.time() * 1000))
        for silent in found["silent_instances"]:
            sys.stderr.write(f"lingua: instance {silent} does not answer; its sessions lack\n")

    return _told(work, parser.parse_args(argv))


def jobs(argv: Sequence[str]) -> int:
    """Show jobs by state."""
    parser = operator_parser("jobs", "Show the open jobs, or those in one state, latest first.")
    parser.add_argument("--state", help="queued, assigned, running, done, empty, failed, cancelled")
    parser.add_argument("--limit", default="100", metavar="N", help="at most so many [100]")

    def work(arguments: argparse.Namespace) -> None:
        query = {"limit": arguments.limit}
        if arguments.state is not None:
            query["state"] = arguments.state
        found = scheduler_of(arguments).get("jobs", **query)
        show(arguments, found, views.jobs_view(found["jobs"]))

    return _told(work, parser.parse_args(argv))


def job(argv: Sequence[str]) -> int:
    """Show one job's life."""
    parser = operator_parser("job", "Show what became of a job, step by step.")
    parser.add_argument("job_id", metavar="ID")

    def work(arguments: argparse.Namespace) -> None:
        found = scheduler_of(arguments).get("jobs", arguments.job_id)
        show(arguments, found, views.job_view(found))

    return _told(work, parser.parse_args(argv))


def route(argv: Sequence[str]) -> int:
    """Show why a pair of languages has capacity, or none."""
    parser = operator_parser("route", "Show for a pair of languages which node is chosen and why.")
    parser.add_argument("src", metavar="SRC", help="spoken language, such as en")
    parser.add_argument("tgt", metavar="TGT", help="language to translate into")

    def work(arguments: argparse.Namespace) -> None:
        found = scheduler_of(arguments).get("route", src=arguments.src, tgt=arguments.tgt)
        show(arguments, found, views.route_view(found))

    return _told(work, parser.parse_args(argv))


def usage(argv: Sequence[str]) -> int:
    """Show what tenants have used."""
    parser = operator_parser("usage", "Show per tenant sessions, audio and jobs of a month (UTC).")
    parser.add_argument("--month", metavar="YYYY-MM", help="which month [this one]")

    def work(arguments: argparse.Namespace) -> None:
        query = {} if arguments.month is None else {"month": arguments.month}
        found = scheduler_of(arguments).get("usage", **query)
        show(arguments, found, views.usage_view(found))

    return _told(work, parser.parse_args(argv))


def drain(argv: Sequence[str]) -> int:
    """Give a node no new work."""
    purpose = "Give a node no new work, until `undrain`; it finishes what it has."
    return _command("drain", purpose, "NODE", ("drain_node", "node_id"), argv)


def undrain(argv: Sequence[str]) -> int:
    """Give a node work again."""
    purpose = "Give a drained node new work again."
    return _command("undrain", purpose, "NODE", ("undrain_node", "node_id"), argv)


def close(argv: Sequence[str]) -> int:
    """End a session."""
    purpose = "End a session as if its client had closed it; what was said so far is translated."
    return _command("close", purpose, "SESSION", ("close_session", "session_id"), argv)


def forget(argv: Sequence[str]) -> int:
    """Erase what is kept of a session or a tenant."""
    purpose = "End a session, or all of a tenant, at once, and erase what is kept of them."
    parser = operator_parser("forget", purpose)
    text = "a session as `sessions` shows it (16 hex digits), else a tenant"
    parser.add_argument("target", metavar="SESSION|TENANT", help=text)
    parser.add_argument("--tenant", action="store_true", help="it is a tenant, however it looks")

    def work(arguments: argparse.Namespace) -> None:
        is_tenant = arguments.tenant or _SESSION_REF.fullmatch(arguments.target) is None
        field = "tenant_id" if is_tenant else "session_id"
        with scheduler_of(arguments).commands() as commands:
            found = commands.do("forget", **{field: arguments.target})
        show(arguments, found, views.forgotten_view(found))
        if not found["is_complete"]:
            raise OperatorError("not everything is erased: repeat it when all instances answer")

    return _told(work, parser.parse_args(argv))


def _command(
    name: str, purpose: str, what: str, command: tuple[str, str], argv: Sequence[str]
) -> int:
    parser = operator_parser(name, purpose)
    parser.add_argument("target", metavar=what, help=f"as `{what.lower()}s` shows it")
    kind, field = command

    def work(arguments: argparse.Namespace) -> None:
        with scheduler_of(arguments).commands() as commands:
            commands.do(kind, **{field: arguments.target})
        show(arguments, {"ok": True, field: arguments.target}, Text(f"{name}: {arguments.target}"))

    return _told(work, parser.parse_args(argv))


def top(argv: Sequence[str]) -> int:
    """Show the live view."""
    parser = operator_parser("top", "Show the service live, until Ctrl-C.")
    parser.add_argument("--once", action="store_true", help="show it once and end")

    def work(arguments: argparse.Namespace) -> None:
        console = open_console()
        with scheduler_of(arguments).commands() as commands:
            if arguments.once or arguments.json or not console.is_terminal:
                _print_updates(commands.updates(), arguments, console)
                return
            with Live(console=console, screen=True, auto_refresh=False) as live:
                for update in commands.updates():
                    live.update(_top_view(update), refresh=True)

    return _told(work, parser.parse_args(argv))


def _print_updates(
    updates: Iterable[views.Row], arguments: argparse.Namespace, console: Terminal
) -> None:
    for update in updates:
        if arguments.json:
            print_text(json.dumps(update, ensure_ascii=False))
        else:
            console.print(_top_view(update))
        if arguments.once:
            return


def _top_view(update: views.Row) -> Group:
    stats, cluster = update["stats"], update["cluster"]
    shown = {**stats, "pairs": stats.get("pairs", ())[:_MOST_PAIRS_ON_TOP]}
    at_work = sorted(cluster.get("nodes", ()), key=lambda row: -row["slots"]["used"])
    return Group(
        views.status_view(shown, cluster),
        Text(""),
        views.nodes_view(at_work[:_MOST_NODES_ON_TOP]),
    )
