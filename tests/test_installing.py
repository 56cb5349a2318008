"""The wheel: one name, everything it needs, and commands that work from anywhere."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from cli.settings.arguments import project_version
from setup import INSIDE, NAME, renamed
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.takes(25)

ROOT = Path(__file__).parents[1]
IMPORT_ALL = """
import importlib, pkgutil, sys, lingua
for found in pkgutil.walk_packages(lingua.__path__, "lingua."):
    if not found.name.endswith(("__main__", "_worker")):
        importlib.import_module(found.name)
print(len(sys.modules), {name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build leaves its own folders in the tree."""
    tree, built = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("built")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in (*INSIDE, NAME):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, ignore=skipped)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    options = ("--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([*pip, "wheel", *options, "-w", built, tree], check=True)
    [path] = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it depends on, and no way to this checkout."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=True)
    site = home / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # Their files are taken, not what makes this checkout importable: that stands in `.pth` files.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"))
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")
    subprocess.run([*pip, "install", *options, "--force-reinstall", wheel], check=True)
    return home / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of somebody else, with modules of their own under our names."""
    for name in (*INSIDE, "run"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')", encoding="utf-8")
    return tmp_path


def environment() -> dict[str, str]:
    left_out = ("LINGUA_", "PYTHONPATH")
    return {name: text for name, text in os.environ.items() if not name.startswith(left_out)}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_everything_under_one_name(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in held} == {NAME}
    folders = [ROOT / name for name in INSIDE]
    needed = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    wanted = {
        f"{NAME}/{path.relative_to(ROOT).as_posix()}"
        for path in needed
        if path.suffix != ".pyc" and path.name != "README.md"
    }
    assert wanted - held == set()
    assert f"{NAME}/py.typed" in held


def test_every_package_of_the_repository_is_in_the_wheel() -> None:
    folders = {path.parts[-2] for path in ROOT.glob("*/*.py")} | {"lua"}
    assert folders - {"tests", NAME} == {*INSIDE}


def test_no_module_of_the_wheel_needs_a_generic_name(clean: Path, elsewhere: Path) -> None:
    shown = run(clean / "python", "-P", "-c", IMPORT_ALL, *INSIDE, cwd=elsewhere)
    assert re.fullmatch(r"\d+ set\(\)\n", shown)


def test_nothing_but_the_one_helper_starts_modules() -> None:
    """A module's name is another one in the wheel."""
    sources = [path for name in INSIDE for path in (ROOT / name).rglob("*.py")]
    found = {path.name for path in sources if '"-m"' in path.read_text(encoding="utf-8")}
    assert found == {"child_module.py"}


def test_the_libraries_bring_no_server_along(clean: Path, elsewhere: Path) -> None:
    code = "import sys, lingua.node, lingua.client; print({*sys.argv[1:]} & {*sys.modules})"
    unwanted = ("redis", "pykka", "fakeredis", "prometheus_client", "jwt", "lingua.gateway")
    assert run(clean / "python", "-P", "-c", code, *unwanted, cwd=elsewhere) == "set()\n"


def test_every_module_that_is_run_in_a_process_of_its_own_is_there(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel).namelist()
    call = re.compile(r'module_command\(\s*"([\w.]+)"')
    sources = [path for name in INSIDE for path in (ROOT / name).rglob("*.py")]
    modules = {found for path in sources for found in call.findall(path.read_text("utf-8"))}
    assert len(modules) > 3
    for module in modules:
        place = f"{NAME}/{module.replace('.', '/')}"
        assert f"{place}.py" in held or f"{place}/__main__.py" in held


@pytest.mark.parametrize("command", [["lingua"], ["python", "-P", "-m", "lingua"]])
def test_the_command_works_from_any_folder(
    clean: Path, elsewhere: Path, command: list[str]
) -> None:
    program = [str(clean / command[0]), *command[1:]]
    assert run(*program, "--version", cwd=elsewhere) == f"lingua-scheduler {project_version()}\n"
    assert run(*program, "--help", cwd=elsewhere).startswith("usage: lingua [COMMAND]")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_installed_scheduler_serves_and_ends(clean: Path, elsewhere: Path, workers: str) -> None:
    with subprocess.Popen(
        [clean / "lingua", "serve", "--port", "0", "--workers", workers],
        cwd=elsewhere,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        head = serving.stdout.readline()
        hints = [serving.stdout.readline() for _ in range(6)]
        serving.send_signal(signal.SIGTERM)
        _, errors = serving.communicate(timeout=PATIENCE_S)
    assert serving.returncode == 0, errors
    assert head.startswith(f"lingua-scheduler {project_version()}, instance ")
    assert any(line.startswith("  a node    lingua node --url ws://") for line in hints)


def test_an_installed_demo_translates(clean: Path, elsewhere: Path) -> None:
    shown = run(
        clean / "lingua", "demo", "--no-install", "--speed", "8", "--out", "speech", cwd=elsewhere
    )
    assert "3 of 3 utterances came back" in shown
    assert len(list((elsewhere / "speech").glob("*.wav"))) == 3


@pytest.mark.parametrize(
    ("written", "built"),
    [
        ("from protocol.ids import A\n", "from lingua.protocol.ids import A\n"),
        ("if x:\n    from peers import (\n        a,\n    )\n", None),
        ("import storage.keys as keys\n", "import lingua.storage.keys as keys\n"),
        ("import os, cli as c\n", "import os, lingua.cli as c\n"),
        ("from protocols import x\n", "from protocols import x\n"),
        ('"from protocol import x"\n', '"from protocol import x"\n'),
        ("from . import a\n", "from . import a\n"),
    ],
)
def test_imports_are_renamed_and_nothing_else(written: str, built: str | None) -> None:
    assert renamed(written) == (built or written.replace("peers", "lingua.peers"))


def test_an_import_that_would_bind_a_generic_name_breaks_the_build() -> None:
    with pytest.raises(ValueError, match="line 2: write `from … import`, or `as`"):
        renamed("import os\nimport protocol.ids\n")
