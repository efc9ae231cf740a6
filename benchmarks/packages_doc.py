"""Write the list of packages and modules in docs/contributing.md anew.

Run: python -m benchmarks.packages_doc
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "contributing.md"
PACKAGES = (
    *("cli", "reporting", "runner", "workers", "benchmark", "export", "training"),
    *("models", "data", "layers", "ops", "comparison", "statistics", "results", "spec"),
)
"""From top to bottom: each imports only what stands below it."""
_BEGIN, _END = "<!-- packages -->\n", "<!-- end of packages -->\n"


def document() -> str:
    """The page, with the list as the code has it now."""
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}{''.join(map(_section, PACKAGES))}{_END}{after}"


def _section(package: str) -> str:
    folder = ROOT / "involbench" / package
    modules = sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")
    rows = "".join(f"- `{path.relative_to(folder)}`: {_summary(path)}\n" for path in modules)
    return f"\n### `involbench/{package}/`\n\n{_summary(folder / '__init__.py')}\n\n{rows}\n"


def _summary(path: Path) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]


if __name__ == "__main__":
    DOCUMENT.write_text(document())
