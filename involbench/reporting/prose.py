"""Sentences for the results of a comparison."""

from collections.abc import Iterator, Sequence

from involbench.comparison.differences import ALPHA
from involbench.comparison.metrics import ACCURACY, COLLAPSED, depends_on_learning
from involbench.comparison.metrics import metric as metric_called
from involbench.comparison.schema import (
    Comparison,
    Difference,
    ModelResult,
    ParameterCounts,
)
from involbench.registry import Metric
from involbench.reporting.tables.cells import (
    baseline_of,
    label,
    number,
    ratio_text,
    side_by_side,
)
from involbench.reporting.units import counted, percent
from involbench.statistics.permutation import smallest_two_sample_p
from involbench.statistics.power import detectable_deviations
from involbench.text import first_of, seeds, seeds_of_both

_OPERATORS = {"Involution2D": "the involutions", "Conv2D": "the convolutions"}


def verdict_sentence(
    result: ModelResult, baseline: ModelResult, name: str = ACCURACY, weigh: bool = True
) -> str:
    """One model against the baseline in one metric, and how many parameters it has."""
    difference, this = result.differences.get(name), label(result.model, result.point)
    that, title = label(baseline.model, baseline.point), metric_called(name).title
    if name == COLLAPSED:
        return _shares(result, baseline)
    collapsed = depends_on_learning(name) and (result.n_collapsed or baseline.n_collapsed)
    if difference is None or difference.mean is None:
        sentence = f"{this} and {that} have no {title} to compare"
    else:
        sentence = _difference(this, that, difference, name)
    if collapsed and name == ACCURACY:
        sentence = f"{_shares(result, baseline)} Of the others, {sentence}"
    elif collapsed:
        sentence = f"Of the runs that learned, {sentence}"
    weight, these, those = "", result.parameters, baseline.parameters
    if weigh and these and those and these.trainable and those.trainable:
        weight = f"{_ratio(these.trainable, those.trainable)} parameters{_by_part(these)}"
    # "It" is clear only if the sentence begins with this model alone.
    who = this
    if difference and name == ACCURACY and not difference.all_equal:
        who = "it" if difference.verdict in ("higher", "lower", "too few runs") else this
    return f"{sentence}; {who} has {weight}." if weight else f"{sentence}."


def _shares(result: ModelResult, baseline: ModelResult) -> str:
    """How many runs of each collapsed, with intervals and the verdict."""
    counts, rest = [], " runs never left chance"
    for each in (result, baseline):
        low, high = (percent(end, 0, unit="") for end in each.collapse_interval or (0, 1))
        share = f"{each.n_collapsed} of {each.n_finished}{rest}"
        interval = f"{'interval ' if rest else ''}{low} to {high}%"
        counts.append(f"{label(each.model, each.point)}: {share} ({interval})")
        rest = ""
    text, difference = ", ".join(counts), result.differences.get(COLLAPSED)
    if difference is None or difference.p is None:
        return f"{text}."
    often = {"higher": "more often", "lower": "less often"}.get(difference.verdict)
    verdict = f"{result.model} collapses {often}" if often else "no verdict on these shares"
    return f"{text}; p {p_value(difference.p_holm or difference.p)}, {verdict}."


def change_sentence(model: str, difference: Difference, name: str) -> str:
    """One model, now compared with an earlier time."""
    return f"{_difference(f'{model} now', f'{model} then', difference, name)}."


def holm_sentence(differences: Sequence[Difference], tables: int = 1) -> str | None:
    """For how many comparisons the verdicts hold together, if there are several."""
    sizes = sorted(each.family for each in differences if each.p_holm is not None)
    if not sizes or sizes[-1] == 1:
        return None
    count = " to ".join(map(str, dict.fromkeys([sizes[0], sizes[-1]])))
    which = " of each table" * (tables > 1)
    return f"Verdicts and intervals are corrected for the {count} comparisons{which} (Holm)."


def power_sentence(runs: int, comparisons: int) -> str:
    """Which differences so many seeds of each model can find."""
    alone, together = (
        None
        if smallest_two_sample_p(runs, runs) > ALPHA / tests
        else f"{detectable_deviations(runs, ALPHA / tests):.1f} standard deviations"
        for tests in (1, comparisons)
    )
    if alone is None:
        return f"{seeds(runs)} of each model: too few for a verdict, which needs at least 4"
    text = f"{seeds(runs)} of each model find a difference of {alone} four times in five"
    if comparisons > 1:
        several = f"as one of {comparisons} comparisons"
        text += f"; {several}, {together or 'they cannot give a verdict'}"
    return text


def p_value(p: float) -> str:
    """Two significant digits; `< 0.001` below that."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def _difference(this: str, that: str, difference: Difference, name: str) -> str:
    metric, mean = metric_called(name), difference.mean or 0.0
    n = seeds_of_both(*difference.runs)
    if difference.design == "paired":
        n = f"{seeds(difference.n, difference.n + len(difference.missing_seeds))}, paired"
    apart = _apart(this, that, mean, name)
    if difference.all_equal:
        return f"{this} and {that} are equal in {metric.title}, {seeds(difference.n)}"
    equivalent = ""
    if difference.equivalent and difference.margin is not None:
        equivalent = f"equivalent within {_amount(difference.margin, metric)}"
    if difference.verdict == "equivalent":
        interval = (
            f"{_amount(mean, metric, plus=True)}, 95% interval {_interval(difference, metric, 1)}"
        )
        return f"{this} and {that} are {equivalent} in {metric.title}: {interval}, {n}"
    if difference.verdict == "undecided" and (metric.kind == "learned" or difference.notes):
        return _undecided(f"{this} and {that}", difference, metric, n)
    if difference.trained_pair is not None:
        pair = difference.trained_pair
        return (
            f"{apart} in this trained pair only: of {pair.images:,} test images, "
            f"only {this} gets {pair.only_this_right:,} right and only {that} "
            f"{pair.only_baseline_right:,} (McNemar p {p_value(pair.p)})"
        )
    if metric.exact:
        return apart
    if metric.kind == "measured":
        return _measured(apart, difference, n)
    if difference.verdict == "too few runs":
        return f"{apart} in {n}: too few for a verdict"
    direction = -1 if mean < 0 else 1
    text = f"{apart}, 95% interval {_interval(difference, metric, direction)}, {n}"
    return f"{text}, but {equivalent}" if equivalent else text


def _measured(apart: str, difference: Difference, n: str) -> str:
    """A time or a size, which is not tested over seeds."""
    ratio = f", {ratio_text(difference.ratio)}" if difference.ratio else ""
    doubt = {"undecided": "; the runs overlap", "too few runs": ": too few for a verdict"}
    return f"{apart}{ratio}, {n}{doubt.get(difference.verdict, '')}"


def _undecided(both: str, difference: Difference, metric: Metric, n: str) -> str:
    estimate = _amount(difference.mean or 0.0, metric, plus=True)
    if difference.interval is None:  # A note says why the verdict is withheld.
        return f"{both}: no verdict on the {metric.title}: {estimate}, {n}"
    text = f"{estimate}, 95% interval {_interval(difference, metric, 1)}, {n}"
    if difference.detectable:
        least = _amount(difference.detectable, metric)
        text += f" (enough to find {least} four times in five)"
    return f"{both} cannot be told apart in {metric.title}: {text}"


def _apart(this: str, that: str, mean: float, name: str) -> str:
    """`inn is 26.8 points less accurate than cnn`."""
    metric = metric_called(name)
    amount = _amount(abs(mean), metric)
    if not mean:
        return f"{this} and {that} have the same mean {metric.title}"
    if name == ACCURACY:
        return f"{this} is {amount} {'less' if mean < 0 else 'more'} accurate than {that}"
    down, up = ("shorter", "longer") if metric.title.startswith("time") else ("lower", "higher")
    way = down if mean < 0 else up
    if " " in this:  # a name with its coordinates, or with a time
        return f"{this}: the {metric.title} is {amount} {way} than that of {that}"
    return f"{this}'s {metric.title} is {amount} {way} than {that}'s"


def _interval(difference: Difference, metric: Metric, direction: int) -> str:
    assert difference.interval is not None
    of_runs = _ends(difference.interval, metric, direction)
    if difference.over_images is None:
        return of_runs
    of_images = _ends(difference.over_images.interval, metric, direction)
    return of_runs if of_images == of_runs else f"{of_runs} ({of_images} for other test images)"


def _ends(interval: tuple[float, float], metric: Metric, direction: int) -> str:
    low, high = sorted(direction * end for end in interval)
    return f"{_short(low, metric)} to {_short(high, metric)}"


_UNITS = {
    "percent": " points",
    "seconds": " s",
    "milliseconds": " ms",
    "epochs": " epochs",
}
"""Of a difference."""


def _amount(value: float, metric: Metric, plus: bool = False) -> str:
    unit = _UNITS.get(metric.unit, "")
    return f"{_short(value, metric, plus)}{unit}"


def _short(value: float, metric: Metric, plus: bool = False) -> str:
    """One decimal is enough for points, unless it would hide that there is a difference."""
    if metric.unit == "percent" and (value == 0 or abs(value) >= 0.001):
        return percent(value, 1, plus, unit="")
    return number(value, metric, plus)


def _ratio(these: int, those: int) -> str:
    if these == those:
        return "as many"
    ratio = max(these, those) / min(these, those)
    fewer = these < those
    if ratio < 1.95:
        share = 100 * abs(these / those - 1)
        if share < 0.05:
            return f"{abs(these - those):,} {'fewer' if fewer else 'more'}"
        return f"{share:.{0 if share >= 9.5 else 1}f}% {'fewer' if fewer else 'more'}"
    times = f"{ratio:,.{0 if ratio >= 9.95 else 1}f} times"
    return f"{times} fewer" if fewer else f"{times} as many"


def _by_part(counts: ParameterCounts) -> str:
    operator, head = counts.by_role.get("operator", 0), counts.by_role.get("head", 0)
    if not operator:
        return ", none in the operator"
    kinds = {_OPERATORS.get(layer, "the operator") for layer in counts.operator_layers}
    kind = kinds.pop() if len(kinds) == 1 else "the operator"
    more = f" and {head:,} in the dense head" if head > operator else ""
    return f", with {operator:,} in {kind}{more}"


MOST_LINES = 6


def verdicts(comparison: Comparison, metrics: Sequence[str] = (ACCURACY,)) -> list[str]:
    """A sentence for each comparison or, for many comparisons, for each model."""
    sentences = [
        sentence
        for name in metrics
        for sentence in _verdicts(comparison, name, weigh=name == metrics[0])
    ]
    return [*sentences, *_crossings(comparison)]


def _verdicts(comparison: Comparison, name: str, weigh: bool) -> list[str]:
    compared = [result for result in comparison.models if name in result.differences]
    differences = [result.differences[name] for result in compared]
    if len(compared) <= MOST_LINES:
        pairs = [(result, baseline_of(comparison, result)) for result in compared]
        weights = [(result.model, result.parameters) for result, _ in pairs]
        sentences = [  # Name the parameters of a model once, unless they differ by point.
            verdict_sentence(result, other, name, weigh and weights.index(weight) == place)
            for place, ((result, other), weight) in enumerate(zip(pairs, weights, strict=True))
            if other
        ]
    else:
        sentences = [*_many(comparison, compared, name)]
    points = len(side_by_side(comparison))
    return [*sentences, *filter(None, [holm_sentence(differences, points)])]


def _many(comparison: Comparison, compared: Sequence[ModelResult], name: str) -> Iterator[str]:
    """For each model of a sweep, where it has which verdict, and how the difference changes.

    Where models have one point each, or there are many models, the models of each verdict.
    """
    by_model: dict[str, list[ModelResult]] = {}
    for result in compared:
        by_model.setdefault(result.model, []).append(result)
    if len(by_model) <= MOST_LINES and all(len(each) > 1 for each in by_model.values()):
        for model, results in by_model.items():
            some = any(each.n_collapsed for each in results) and depends_on_learning(name)
            only = "Of the runs that learned, " * some
            yield f"{only}{model} {_over_sweep(comparison, results, name)}."
        return
    for verb, results in _by_verdict(comparison, compared, name).items():
        names = first_of([label(each.model, each.point) for each in results], MOST_LINES)
        yield f"{len(results)} of {counted(len(compared), 'comparison')}, each {verb}: {names}."


def _by_verdict(
    comparison: Comparison, results: Sequence[ModelResult], name: str
) -> dict[str, list[ModelResult]]:
    """The results of each verdict, by its words, such as `is less accurate than cnn`."""
    baseline, title = comparison.baseline, metric_called(name).title
    words = {
        way: f"is {more} accurate than {baseline}"
        if name == ACCURACY
        else f"has a {way} {title} than {baseline}"
        for way, more in (("higher", "more"), ("lower", "less"))
    } | {
        "equal": f"equals {baseline} in {title}",
        "equivalent": f"is equivalent to {baseline} in {title}",
    }
    found: dict[str, list[ModelResult]] = {}
    for result in results:
        verb = words.get(result.differences[name].verdict, f"has no verdict against {baseline}")
        found.setdefault(verb, []).append(result)
    return found


def _over_sweep(comparison: Comparison, results: Sequence[ModelResult], name: str) -> str:
    """`is less accurate than cnn at every kernel_size (3, 5); the difference goes from ...`."""
    keys = {key for result in results for key in result.point}
    key = keys.pop() if len(keys) == 1 else ""
    swept = key.rpartition(".")[2] or "point"
    places = {
        id(each): str(each.point[key]) if key else label("", each.point).strip() for each in results
    }
    groups = _by_verdict(comparison, results, name)
    where = {verb: _and_list([places[id(e)] for e in group]) for verb, group in groups.items()}
    if len(where) == 1:
        parts = [f"{verb} at every {swept} ({values})" for verb, values in where.items()]
    else:
        parts = [f"{verb} at {swept} {values}" for verb, values in where.items()]
    means = [(each.differences[name].mean, places[id(each)]) for each in results]
    known = [(mean, place) for mean, place in means if mean is not None]
    if not key or len(known) < 2:
        return "; ".join(parts)
    first, last, metric = known[0], known[-1], metric_called(name)
    low, high = min(known), max(known)
    steady = {first[0], last[0]} == {low[0], high[0]}
    ends = (first, last) if steady else (low, high)
    one, other = (f"{_amount(mean, metric, plus=True)} at {place}" for mean, place in ends)
    trend = f"goes from {one} to {other}" if steady else f"is between {one} and {other}"
    return f"{'; '.join(parts)}; the difference {trend}"


def _and_list(names: Sequence[str]) -> str:
    """`3, 5 and 7`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _crossings(comparison: Comparison) -> Iterator[str]:
    """Where the order of two models changes in a sweep, if there are enough seeds."""
    for curve in comparison.curves:
        for crossing in curve.crossings if all(p.interval for p in curve.points) else ():
            end = "." if crossing.certain else " (no verdict on one side, or on both)."
            yield (
                f"{label(curve.model, curve.at)} and {comparison.baseline} cross in test accuracy "
                f"at about {curve.key} = {float(f'{crossing.at:.3g}'):,g}, "
                f"between {crossing.low:,g} and {crossing.high:,g}{end}"
            )
