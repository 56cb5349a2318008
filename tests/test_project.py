"""The repository itself: packages, scripts, and what must never stand in a file."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cli.description.__main__ import texts

ROOT = Path(__file__).parents[1]
TEXT_ENDINGS = {".py", ".lua", ".md", ".toml", ".html", ".js", ".css", ""}
MADE = {
    ".venv",
    ".git",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    "build",
    "demo-out",
}


@pytest.fixture
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def text_files() -> list[Path]:
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and path.suffix in TEXT_ENDINGS
        and path != Path(__file__)
        and not MADE.intersection(path.relative_to(ROOT).parts)
    ]


def test_every_folder_of_code_is_a_package() -> None:
    code = [path.relative_to(ROOT) for path in ROOT.glob("*/**/*.py")]
    folders = {
        path.parent for path in code if path.parts[0] != "tests" and not MADE & {*path.parts}
    }
    missing = [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").exists()]
    assert folders
    assert not missing, f"not a package: {', '.join(missing)}"


def test_the_changelog_knows_the_version(project: dict[str, Any]) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {project['project']['version']} " in changelog


def test_no_file_names_a_package_index_or_a_place_on_one_machine() -> None:
    forbidden = re.compile(r"index-url|pypi\.org|/(?:home|root|work|tmp)/[a-z]\w*/")
    wrong = [
        f"{path.relative_to(ROOT)}:{number} names {match[0]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (match := forbidden.search(line))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("script", ["run", "debian-packages", "lock", "release"])
def test_the_scripts_of_the_check_can_be_run(script: str) -> None:
    path = ROOT / ".ci" / script
    assert os.access(path, os.X_OK)
    assert "set -euo pipefail" in path.read_text(encoding="utf-8")
    bash = shutil.which("bash")
    assert bash
    subprocess.run([bash, "-n", path], check=True)


def test_what_is_made_from_models_and_settings_is_up_to_date() -> None:
    old = [
        path.relative_to(ROOT).as_posix()
        for path, text in texts().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert not old, f"run `python -m cli.description`: {', '.join(old)}"


def test_make_knows_its_targets() -> None:
    for target in ("demo", "page", "test", "lint", "lock", "release", "clean"):
        subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
