"""Print how many statements of each package the tests ran, from .coverage."""

from collections import Counter
from pathlib import Path

from coverage import Coverage

measured = Coverage()
measured.load()
statements, missed = Counter[str](), Counter[str]()
for path in sorted(measured.get_data().measured_files()):
    package, *module = Path(path).relative_to(Path("involbench").resolve()).parts
    package = package if module else "involbench"
    _, lines, _, not_run, _ = measured.analysis2(path)
    statements[package] += len(lines)
    missed[package] += len(not_run)
shares = {name: 1 - missed[name] / count for name, count in statements.items() if count}
print("coverage:", ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
total = statements.total()
print(f"coverage: {1 - missed.total() / total:.1%} of {total:,} statements in all")
