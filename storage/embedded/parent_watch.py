"""Runs one command that may not outlive the process that asked for it.

Started as a script, `python -I -S parent_watch.py PARENT_PID signal|pipe COMMAND…`, with a pipe as
its standard input whose other end only the parent holds. A shim of its own instead of a
`preexec_fn`, which may deadlock in a process that has threads.

- `signal` (Linux): the kernel sends SIGTERM when the parent's forking *thread* ends, and keeps this
  across `exec`, so this script becomes the command and costs nothing afterwards.
- `pipe` (elsewhere): this script stays, and ends the command when its standard input does.

It must not import anything but the standard library.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

_PR_SET_PDEATHSIG = 1


def become(parent_pid: int, command: list[str]) -> None:
    """Turn into `command`, with the kernel's promise of a SIGTERM when the parent is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent_pid:  # it died before the promise was made
        sys.exit("the parent process is gone")
    os.execv(command[0], command)  # noqa: S606 - replacing this process is the purpose


def watch(command: list[str]) -> int:
    """Run `command` until it ends or standard input does; return its exit status."""
    # Descriptors stay open: a lock that the parent handed down has to live as long as the command.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=False)  # noqa: S603 - the parent's command

    def end(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()

    def end_with_parent() -> None:
        while os.read(0, 4096):
            pass
        end()

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=end_with_parent, daemon=True).start()
    return child.wait()


def main(arguments: list[str]) -> int:
    """Run what the arguments say."""
    parent_pid, mode, *command = arguments
    if mode == "signal":
        become(int(parent_pid), command)
    return watch(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
