"""Compute the tables of docs/findings/ again from the records of the runs, by pandas and scipy.

It imports nothing of involbench, so that a fault in its statistics is seen. Each cell of each table
is compared with the page, at the digits that are printed there: accuracy, the differences with
their intervals (Welch's t under all splits of the runs, corrected by Holm), parameters, collapsed
runs, and the time of an epoch. Where the page says that its p is from random splits, an interval
may differ in its last digits; these cells are counted apart.

Run: python benchmarks/recompute_findings.py [EXPERIMENT ...]
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "findings"
ALPHA = 0.05
EXACT = 10**6
"""Splits of which all are taken."""
LEARNED = {
    "accuracy %": ("test_accuracy", 100, 1),
    "gap %": ("generalization_gap", 100, -1),
    "collapsed %": ("collapsed", 100, -1),
}
"""Column -> metric, its scale, and whether more is better."""
COUNTS = {"trainable": "trainable", "frozen": "non_trainable"}
ROLES = {"operator": "operator", "norm.": "normalization", "head": "head", "other": "other"}


def records(folder: Path) -> pd.DataFrame:
    """A row for each finished run."""
    rows = []
    for path in sorted(folder.glob("runs/*/run.json")):
        record = json.loads(path.read_text())
        if record["status"] != "finished":
            continue
        history = json.loads((path.parent / "history.json").read_text())
        counts = json.loads((path.parent / "parameters.json").read_text())
        trial, metrics, chance = record["trial"], record["metrics"], record["data"]["chance"]
        rows.append(
            {
                "model": trial["model"],
                "point": ", ".join(f"{k} = {v}" for k, v in trial["point"].items()),
                "seed": trial["seed"],
                "test_accuracy": metrics["test_accuracy"],
                "generalization_gap": history["accuracy"][-1] - history["val_accuracy"][-1],
                "collapsed": float(
                    at_chance(history["val_accuracy"], chance, record["data"]["validation_size"])
                    and at_chance(history["accuracy"][-1:], chance, record["data"]["train_size"])
                ),
                "seconds": metrics["seconds_per_epoch"],
                **{name: counts[key] for name, key in COUNTS.items()},
                **{name: counts["by_role"].get(role, 0) for name, role in ROLES.items()},
            }
        )
    return pd.DataFrame(rows)


def at_chance(accuracies: list[float], chance: float, images: int) -> bool:
    """Whether none is more than three standard deviations above chance."""
    return max(accuracies) <= chance + 3 * np.sqrt(chance * (1 - chance) / images)


def welch(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """|t|; the difference of means where one sample has a single value or neither varies."""
    apart = np.abs(a.mean(axis) - b.mean(axis))
    if min(a.shape[axis], b.shape[axis]) == 1:
        return apart
    spread = a.var(axis, ddof=1) / a.shape[axis] + b.var(axis, ddof=1) / b.shape[axis]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, apart / np.sqrt(spread), np.where(apart > 1e-12, np.inf, 0))


def p_of(a: np.ndarray, b: np.ndarray, shift: float = 0.0) -> float:
    """Of the permutation test that mean(a) - mean(b) is the shift."""
    a = a - shift
    done = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.round(welch(x, y, axis), 9),
        n_resamples=np.inf if special.comb(len(a) + len(b), len(a)) <= EXACT else 2**14,
        alternative="greater",
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(done.pvalue)


def interval(a: np.ndarray, b: np.ndarray, alpha: float) -> tuple[float, float]:
    """The shifts that the test does not reject."""
    middle = a.mean() - b.mean()
    width = 20 * np.sqrt(a.var() + b.var() + 1e-12)
    ends = []
    for sign in (-1, 1):
        inside, outside = 0.0, width
        for _ in range(40):
            half = (inside + outside) / 2
            accepted = p_of(a, b, middle + sign * half) > alpha * (1 + 1e-9)
            inside, outside = (half, outside) if accepted else (inside, half)
        ends.append(middle + sign * inside)
    return ends[0], ends[1]


def levels(ps: list[float]) -> list[float]:
    """The level of each of these tests, by Holm's procedure."""
    found, tests, rejected = [ALPHA] * len(ps), len(ps), True
    for rank, place in enumerate(np.argsort(ps, kind="stable")):
        if rejected:
            tests = len(ps) - rank
            rejected = ps[place] * tests <= ALPHA * (1 + 1e-9)
        found[place] = ALPHA / tests
    return found


class Table:
    """One table of a page: its rows, and the runs that they are of."""

    def __init__(self, lines: list[str], runs: pd.DataFrame) -> None:
        cells = [[cell.strip() for cell in line.strip("| \n").split(" | ")] for line in lines]
        self.titles, self.rows = cells[0], {row[0]: row for row in cells[2:]}
        self.runs = dict([*runs.groupby("model", sort=False)])
        accuracy = self.titles.index("accuracy %") + 1
        self.baseline = next(m for m, row in self.rows.items() if row[accuracy] == "baseline")

    def values(self, model: str, metric: str) -> np.ndarray:
        """Of all runs; of those that learned, where collapsed ones would not be compared."""
        runs = self.runs[model]
        if metric != "collapsed":
            runs = runs[runs["collapsed"] == 0]
        return runs[metric].to_numpy()

    def alphas(self, metric: str) -> dict[str, float]:
        """Model -> the level of its test."""
        others = [model for model in self.rows if model != self.baseline]
        tests: dict[tuple[str, str], float] = {}
        for model in others:
            a, b = self.values(model, metric), self.values(self.baseline, metric)
            if metric != "collapsed" and min(len(a), len(b)) > 1:
                tests[model, metric] = p_of(a, b)
            shares = [self.runs[each]["collapsed"] for each in (model, self.baseline)]
            if metric in ("collapsed", "test_accuracy") and any(each.any() for each in shares):
                counts = [[int(each.sum()), int((1 - each).sum())] for each in shares]
                tests[model, "collapsed"] = stats.fisher_exact(counts).pvalue
        found = dict(zip(tests, levels([*tests.values()]), strict=True))
        return {model: found[model, metric] for model in others if (model, metric) in found}

    def cells(self) -> Iterator[tuple[str, int, list[float], str]]:
        """Model, column, the numbers that the cell must have, and its mark of the verdict."""
        for column, title in enumerate(self.titles):
            for model, runs in self.runs.items():
                if title == "n":
                    yield model, column, [len(runs)], ""
                elif title == "at chance":
                    yield model, column, [runs["collapsed"].sum(), len(runs)], ""
                elif title in COUNTS or title in ROLES:
                    yield model, column, [runs[title].iloc[0]], ""
                elif title == "s/epoch":
                    yield model, column, [runs["seconds"].mean()], ""
                elif title in LEARNED:
                    yield model, column, self._summary(model, title), ""
            if title in LEARNED and self.titles[column + 1].startswith("difference"):
                yield from self._differences(title, column + 1)

    def _summary(self, model: str, title: str) -> list[float]:
        """Mean, standard deviation, and the number of seeds where it is not that of all."""
        metric, scale, _ = LEARNED[title]
        values = self.values(model, metric)
        if not len(values):
            return []
        numbers = [scale * values.mean()]
        numbers += [scale * values.std(ddof=1)] * (len(values) > 1)
        return numbers + [len(values)] * (len(values) < len(self.runs[model]))

    def _differences(self, title: str, column: int) -> Iterator[tuple[str, int, list[float], str]]:
        metric, scale, better = LEARNED[title]
        alphas = self.alphas(metric)
        for model, row in self.rows.items():
            if model == self.baseline:
                continue
            a, b = self.values(model, metric), self.values(self.baseline, metric)
            if not len(a) or not len(b):
                yield model, column, [], "n/a"
                continue
            numbers, mark = [scale * (a.mean() - b.mean())], "\\~"
            if "[" in row[column]:
                ends = interval(a, b, alphas[model])
                numbers += [scale * end for end in ends]
                if ends[0] > 0 or ends[1] < 0:
                    mark = "▲" if better * numbers[0] > 0 else "▼"
            yield model, column, numbers, mark


def agrees(printed: str, numbers: list[float], mark: str) -> bool:
    """Whether a cell has these numbers, at its own digits, and this mark."""
    shown = re.findall(r"[-+]?\d[\d,]*(?:\.\d+)?", printed)
    halves = [0.5 * 10.0 ** -len(text.partition(".")[2]) for text in shown]
    values = [float(text.replace(",", "")) for text in shown]
    return (
        printed.startswith(mark)
        and len(values) == len(numbers)
        and all(abs(v - n) <= h + 1e-6 for v, n, h in zip(values, numbers, halves, strict=True))
    )


def tables(page: Path, runs: pd.DataFrame) -> list[Table]:
    """Those of a page, each with the runs at its point of the sweep."""
    found, point, lines = [], "", []
    for line in [*page.read_text().splitlines(), ""]:
        if line.startswith("**"):
            point = line.strip("*").replace("\\", "")
        if line.startswith("|"):
            lines.append(line)
        elif lines:
            found.append(Table(lines, runs[runs["point"] == point]))
            lines = []
    return found


def main(names: list[str], pages: Path = PAGES) -> int:
    """Compare the pages of some experiments, or of all; 1 if a cell differs."""
    wrong = compared = sampled = 0
    for page in sorted(pages.glob("*.md")):
        if names and page.stem not in names:
            continue
        runs = records(ROOT / "results" / "reference" / page.stem)
        drawn = "random splits" in page.read_text()
        for table in tables(page, runs):
            for model, column, numbers, mark in table.cells():
                printed, title = table.rows[model][column], table.titles[column]
                compared += 1
                if not agrees(printed, numbers, mark):
                    by_draws = drawn and title.startswith("difference")
                    wrong, sampled = wrong + (not by_draws), sampled + by_draws
                    again = ", ".join(f"{number:.6g}" for number in numbers)
                    print(f"{page.stem}: {model}, {title}: {printed}; again {mark} {again}")
    print(f"{compared} cells compared, {wrong} differ; {sampled} more differ by random splits")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
