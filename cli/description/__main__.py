"""`python -m cli.description`: write what is made from the models, in a checkout."""

import json
from pathlib import Path

from cli.description.asyncapi import asyncapi_document
from cli.description.reference import reference
from cli.description.schemas import all_schemas
from cli.description.settings_page import settings_page
from cli.description.typescript import typescript
from cli.settings.arguments import project_version

ROOT = Path(__file__).parents[2]


def texts() -> dict[Path, str]:
    """Return every made file and what has to stand in it."""
    schemas = all_schemas()
    document = asyncapi_document(schemas, project_version())
    return {
        ROOT / "gateway" / "http" / "asyncapi.json": json.dumps(document, indent=1) + "\n",
        ROOT / "gateway" / "pages" / "lingua-messages.d.ts": typescript(schemas),
        ROOT / "docs" / "messages.md": reference(schemas),
        ROOT / "docs" / "settings.md": settings_page(),
    }


def main() -> None:
    """Write them all."""
    for path, text in texts().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
