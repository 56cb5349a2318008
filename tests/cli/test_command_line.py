"""`run.py` from outside: help, version, exit status, start and orderly end."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli import commands
from cli.settings.arguments import parse
from cli.settings.error import SettingsError
from cli.settings.settings import known_settings

ROOT = Path(__file__).parents[2]


def clean_environment(**more: str) -> dict[str, str]:
    outside = {name: text for name, text in os.environ.items() if not name.startswith("LINGUA_")}
    return outside | more


def run(*argv: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "run.py", *argv],
        cwd=ROOT,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory for temporary files, with a path short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="lt-") as directory:
        yield Path(directory)


@contextmanager
def scheduler(temporary: Path, *argv: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a scheduler that keeps its temporary files apart; end it if the test did not."""
    with subprocess.Popen(
        [sys.executable, "run.py", "--port", "0", *argv],
        cwd=ROOT,
        env=clean_environment(TMPDIR=str(temporary)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_banner(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("  stop"):
            break
    return "".join(lines)


@pytest.mark.parametrize(
    ("argv", "environment", "line"),
    [
        (["--port", "x"], {}, "--port: 'x' must be a whole number at least 0 and at most 65535"),
        (["--xyzzy"], {}, "unknown flag --xyzzy"),
        ([], {"LINGUA_PROT": "1"}, "unknown environment variable LINGUA_PROT; did you mean"),
        (["sevre"], {}, "unknown command 'sevre'; did you mean serve?"),
        (["--data-dir", "/dev/null/x"], {}, "data_dir /dev/null/x cannot be used: Not a directory"),
    ],
)
def test_a_wrong_setting_is_one_line_on_stderr_and_exit_status_2(
    argv: list[str], environment: dict[str, str], line: str
) -> None:
    result = run(*argv, **environment)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"lingua: {line}")
    assert result.stderr.count("\n") == 1


def test_help_names_every_command_and_setting_by_room() -> None:
    result = run("--help")
    assert result.returncode == 0
    for name in commands.COMMANDS:
        assert f"\n  {name} " in result.stdout
    for setting in known_settings().values():
        assert f"  {setting.flag} " in result.stdout
        assert f"\n{setting.package}:\n" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 100


def test_the_version_is_the_project_s(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("lingua-scheduler 0.")


def test_without_a_command_the_scheduler_is_meant() -> None:
    assert commands._chosen([]) == ("serve", [])
    assert commands._chosen(["--port", "1"]) == ("serve", ["--port", "1"])
    assert commands._chosen(["node", "--port", "1"]) == ("node", ["--port", "1"])


def test_an_error_of_several_lines_becomes_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise SettingsError("a\n  b")

    monkeypatch.setattr(commands, "_chosen", fail)
    assert commands.main([]) == 2
    assert capsys.readouterr().err == "lingua: a b\n"


def test_the_scheduler_says_in_one_block_where_it_is_and_what_it_keeps(temporary: Path) -> None:
    with scheduler(temporary, "--instance-id", "mine") as process:
        banner = read_banner(process)
        process.terminate()
        process.wait(15)
    assert "instance mine, ready in " in banner
    assert "ws://127.0.0.1:" in banner
    assert "/ws/session\n" in banner
    assert "embedded Valkey server" in banner
    assert "nothing survives a restart" in banner
    assert banner.count("\n") == 9


@pytest.mark.usefixtures("sigint_is_not_ignored")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_scheduler_in_order_and_leaves_nothing(
    number: signal.Signals, temporary: Path
) -> None:
    with scheduler(temporary) as process:
        read_banner(process)
        assert [path.name for path in temporary.glob("lingua-store-*/*")] == ["store.sock"]
        process.send_signal(number)
        assert process.wait(15) == 0, process.stderr and process.stderr.read()
    assert not list(temporary.glob("lingua-*"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_whose_output_nobody_can_read_is_one_line_and_status_2(workers: str) -> None:
    for redirection, line in (
        (">&-", "standard output is closed; send it somewhere"),
        ("> /dev/full", "cannot write to standard output: No space left on device"),
        ("| exec true; exit ${PIPESTATUS[0]}", "nobody reads standard output any more"),
    ):
        result = subprocess.run(
            [
                "bash",
                "-c",
                f'"$0" run.py --port 0 --log-level error --workers {workers} {redirection}',
                sys.executable,
            ],
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert result.returncode == 2, redirection
        assert result.stderr.startswith(f"lingua: {line}"), redirection
        assert result.stderr.count("\n") == 1, redirection


def test_without_standard_input_and_error_it_runs_as_ever(temporary: Path) -> None:
    program = 'exec "$0" run.py --port 0 --workers 2 <&- 2>&-'
    with subprocess.Popen(
        ["bash", "-c", program, sys.executable],
        cwd=ROOT,
        env=clean_environment(TMPDIR=str(temporary)),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert "with 2 workers" in read_banner(process)
            process.terminate()
            assert process.wait(15) == 0
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_one_line_and_status_2(workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("--port", str(port), "--workers", workers)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"lingua: cannot listen on 127.0.0.1:{port}: Address already")
    assert result.stderr.count("\n") == 1


def test_more_sessions_than_open_files_are_one_line_and_status_2() -> None:
    result = run("--port", "0", "--max-sessions", "2000000000")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("lingua: max_sessions: 2000000000 sessions need ")
    assert result.stderr.count("\n") == 1
