"""Write the list of packages and modules in docs/contributing.md again.

Run: python -m benchmarks.packages_doc
"""

import ast
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "contributing.md"
_BEGIN, _END = "<!-- packages -->\n", "<!-- end of packages -->\n"


def packages() -> list[str]:
    """From top to bottom, each imports only what stands below it: the contract that is linted."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = (
        each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "layers"
    )
    names = (layer.removeprefix("involbench.") for layer in contract["layers"] if "|" not in layer)
    return [name for name in names if (ROOT / "involbench" / name).is_dir()]


def document() -> str:
    """The page, with the list as the code has it now."""
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    top = ROOT / "involbench"
    sections = [_section(top / name, (top / name).rglob("*.py")) for name in packages()]
    return f"{before}{_BEGIN}{''.join(sections)}{_section(top, top.glob('*.py'))}{_END}{after}"


def _section(folder: Path, files: Iterable[Path]) -> str:
    rows = "".join(
        f"- `{path.relative_to(folder)}`: {_summary(path)}\n"
        for path in sorted(files)
        if path != folder / "__init__.py" and _summary(path)
    )
    name, summary = folder.relative_to(ROOT), _summary(folder / "__init__.py")
    return f"\n### `{name}/`\n\n{summary}\n\n{rows}\n"


def _summary(path: Path) -> str:
    """The first paragraph of a module's docstring, on one line."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    DOCUMENT.write_text(document())
