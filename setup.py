"""Builds the wheel: the packages at the top of the repository, all under the one name `lingua`.

The repository shows its parts at the top (`actors`, `protocol`, `storage`, …) and they import each
other by these names. Nobody who installs the wheel wants seven packages with such names in the
environment: `storage` may be their own. So the wheel holds `lingua` alone, with the others inside
it, and each import of one of them is rewritten on the way in (`from protocol.ids import …` becomes
`from lingua.protocol.ids import …`). Mapping the folders would not do: the imports are absolute.
Relative imports would make the same wheel, but hide in every file where a name comes from.

An editable install (`pip install -e .`) takes the folders as they are. Everything that is no
matter of packages stands in `pyproject.toml`.
"""

import ast
import shutil
import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

NAME = "lingua"
INSIDE = ("actors", "cli", "gateway", "lua", "peers", "protocol", "storage")
"""The packages of the repository that lie under the name when they are installed."""
DATA = {
    "lua": ["*/*.lua"],
    "cli": ["description/examples.json"],
    "gateway": ["http/*.json", "pages/*", "pages/*/*"],
    "peers": ["README.md", "data/speech/*"],
    NAME: ["py.typed"],
}
"""What is installed beside the code, by the top-level package of the repository."""


def renamed(source: str) -> str:
    """Return a module's text with its imports of `INSIDE` under `NAME`.

    Raises:
        ValueError: a plain `import protocol.ids`, which binds the name `protocol`.
    """
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_inside(node.module):
            lines[node.lineno - 1] = _prefixed(lines[node.lineno - 1], f"from {node.module}")
        if isinstance(node, ast.Import):
            for alias in node.names:
                if _is_inside(alias.name) and alias.asname is None:
                    raise ValueError(f"line {node.lineno}: write `from … import`, or `as`")
                if _is_inside(alias.name):
                    line = lines[alias.lineno - 1]
                    start = len(line.encode()[: alias.col_offset].decode())
                    lines[alias.lineno - 1] = f"{line[:start]}{NAME}.{line[start:]}"
    return "".join(lines)


def _is_inside(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] in INSIDE


def _prefixed(line: str, statement: str) -> str:
    module = statement.removeprefix("from ")
    if statement not in line:
        raise ValueError(f"the module does not follow its `from`: {line.strip()}")
    return line.replace(statement, f"from {NAME}.{module}", 1)


class BuildUnderOneName(build_py):  # type: ignore[misc]  # setuptools has no types
    """Copies the modules to their places under the name, imports renamed."""

    def run(self) -> None:
        """Build into an empty folder: what an earlier build left may be gone from the sources."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()

    def build_module(
        self, module: str, module_file: str, package: str | list[str] | tuple[str, ...]
    ) -> tuple[str, bool]:
        """Copy one module."""
        target, copied = super().build_module(module, module_file, package)
        source = Path(module_file).read_text(encoding="utf-8")
        Path(target).write_text(renamed(source), encoding="utf-8")
        return target, copied


def main() -> None:
    """Do what the command line, or the build front end, asks for."""
    patterns = [f"{top}{below}" for top in (*INSIDE, NAME) for below in ("", ".*")]
    found = find_packages(include=patterns)
    if {"editable_wheel", "develop"} & {*sys.argv}:
        setup(packages=found, package_data=DATA)
        return
    inside = ["lua", *(package for package in found if package.partition(".")[0] in INSIDE)]
    setup(
        packages=[NAME, *(f"{NAME}.{package}" for package in inside)],
        package_dir={f"{NAME}.{top}": top for top in INSIDE},
        package_data={top if top == NAME else f"{NAME}.{top}": DATA[top] for top in DATA},
        cmdclass={"build_py": BuildUnderOneName},
    )


if __name__ == "__main__":
    main()
