"""The limit of open files is raised as far as it goes, and has to suffice for the sessions."""

import asyncio
import errno
import resource
from collections.abc import Iterator
from typing import Any

import pytest

from cli.serve.open_files import allow_open_files, report_full
from cli.settings.error import SettingsError

NOFILE = resource.RLIMIT_NOFILE


@pytest.fixture(autouse=True)
def _limit_of_before() -> Iterator[None]:
    before = resource.getrlimit(NOFILE)
    yield
    resource.setrlimit(NOFILE, (before[0], resource.getrlimit(NOFILE)[1]))


def test_the_limit_is_raised_to_the_hard_one() -> None:
    _, most = resource.getrlimit(NOFILE)
    resource.setrlimit(NOFILE, (256, most))
    allow_open_files(10)
    assert resource.getrlimit(NOFILE)[0] >= min(most, 266)


def test_a_limit_that_does_not_suffice_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    allow_open_files(3840)
    with pytest.raises(SettingsError) as caught:
        allow_open_files(3841)
    line = str(caught.value)
    assert line.startswith("max_sessions: 3841 sessions need 4097 open files")
    assert "ulimit -n" in line


def test_sockets_that_find_no_file_are_one_line_a_second(
    monkeypatch: pytest.MonkeyPatch, log_records: list[dict[str, Any]]
) -> None:
    others: list[dict[str, Any]] = []

    async def accept_in_vain() -> None:
        loop = asyncio.get_running_loop()
        report_full(loop)
        monkeypatch.setattr(loop, "default_exception_handler", others.append)
        for _ in range(100):
            loop.call_exception_handler({"exception": OSError(errno.EMFILE, "too many")})
        loop.call_exception_handler({"exception": OSError(errno.EPIPE, "another")})

    asyncio.run(accept_in_vain())
    assert [one["message"] for one in log_records] == [
        "no more files may be open; new sockets wait"
    ]
    assert len(others) == 1
