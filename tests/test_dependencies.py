"""What is installed: bounds and reasons in `pyproject.toml`, versions and hashes in `locks/`."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
LOCKS = {
    found[1]: found[2].split()
    for found in re.finditer(
        r"^lock (\w+) ([\w ]+?)(?: --.*)?$", (ROOT / ".ci/lock").read_text("utf-8"), re.MULTILINE
    )
}
"""Which extras each file of `locks/` was made for."""
ENTRY = re.compile(
    r"^([\w.-]+)==(\S+)(?: ; (.+?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", re.MULTILINE
)
MACHINES = [
    {"python_version": version, "python_full_version": f"{version}.7", "platform_machine": machine}
    for version, machine in product(("3.11", "3.12", "3.13"), ("x86_64", "aarch64"))
]


class Pin(NamedTuple):
    """One package of a lock."""

    version: str
    marker: Marker | None


def declared(*extras: str) -> list[Requirement]:
    build = PROJECT["build-system"]["requires"]
    texts = [
        *build,
        *PROJECT["project"]["dependencies"],
        *(text for name in extras for text in EXTRAS[name]),
    ]
    return [Requirement(text) for text in texts]


def pins(lock: str) -> dict[str, list[Pin]]:
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    found: dict[str, list[Pin]] = {}
    for name, version, marker, _ in ENTRY.findall(text):
        found.setdefault(name, []).append(Pin(version, Marker(marker) if marker else None))
    assert sum(map(len, found.values())) == len(re.findall(r"^[a-z].*==", text, re.MULTILINE))
    return found


def reached(wanted: list[Requirement], machine: dict[str, str]) -> Iterator[Requirement]:
    """Each requirement of a machine, and what those that are installed here require in turn."""
    waiting, seen = list(wanted), set[str]()
    while waiting:
        needed = waiting.pop()
        if needed.marker and not needed.marker.evaluate(machine):
            continue
        yield needed
        for extra in ("", *needed.extras):
            key = f"{canonicalize_name(needed.name)}[{extra}]"
            if key in seen:
                continue
            seen.add(key)
            try:
                texts = requires(needed.name) or []
            except PackageNotFoundError:  # of another extra, or of another machine
                continue
            waiting += [
                Requirement(str(inner).partition(";")[0])
                for inner in map(Requirement, texts)
                if inner.marker is None or inner.marker.evaluate({**machine, "extra": extra})
            ]


def test_every_dependency_is_bounded_below_and_above() -> None:
    for needed in declared(*EXTRAS):
        signs = {bound.operator for bound in needed.specifier}
        assert signs in ({">=", "<"}, {"=="}), str(needed)


def test_the_documents_give_a_reason_for_every_dependency() -> None:
    reasons = (ROOT / "docs" / "how-it-is-built.md").read_text(encoding="utf-8").lower()
    missing = [needed.name for needed in declared(*EXTRAS) if needed.name not in reasons]
    assert not missing, f"docs/how-it-is-built.md says nothing about {', '.join(missing)}"


def test_what_imitates_a_store_is_not_installed_with_the_scheduler() -> None:
    for lock in sorted({*LOCKS} - {"test"}):
        assert "fakeredis" not in pins(lock)


def test_every_lock_is_known_and_every_extra_of_ours_is_locked() -> None:
    assert {path.stem for path in (ROOT / "locks").glob("*.txt")} == {*LOCKS}
    locked = {extra for extras in LOCKS.values() for extra in extras}
    assert {*EXTRAS} - locked == {"microphone"}, "which needs PortAudio, and nothing here installs"


@pytest.mark.parametrize("lock", sorted(LOCKS))
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: "-".join(machine.values()))
def test_a_lock_holds_what_is_required_in_versions_that_are_allowed(
    lock: str, machine: dict[str, str]
) -> None:
    """Whoever reads this as a failure: `make lock` writes the files anew."""
    held = pins(lock)
    for needed in reached(declared(*LOCKS[lock]), machine):
        fitting = [
            pin
            for pin in held.get(canonicalize_name(needed.name), [])
            if pin.marker is None or pin.marker.evaluate(machine)
        ]
        assert len(fitting) == 1, f"{needed} is not in locks/{lock}.txt: `make lock`"
        assert needed.specifier.contains(fitting[0].version, prereleases=True), (
            f"locks/{lock}.txt has {fitting[0].version}, but wanted is {needed}: `make lock`"
        )


def test_a_package_has_the_same_version_in_every_lock() -> None:
    """What is tested is what runs."""
    versions: dict[str, set[str]] = {}
    for lock in sorted({*LOCKS} - {"release"}):
        for name, held in pins(lock).items():
            versions.setdefault(name, set()).update(pin.version for pin in held)
    tested = {name: {pin.version for pin in held} for name, held in pins("test").items()}
    assert {name: versions[name] for name in tested} == tested


def test_make_and_the_check_install_nothing_but_what_is_locked() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = [line for line in makefile.splitlines() if "$(INSTALL)" in line]
    assert len(installs) == 2
    for line in installs:
        assert "--require-hashes" in line or "--no-deps --no-build-isolation" in line
    assert "pip install" not in re.sub(r"^INSTALL := .*", "", makefile, flags=re.MULTILINE)
    assert "pip install" not in (ROOT / ".ci/run").read_text(encoding="utf-8")
