"""Claims: from the spec through `compare`, `comparison.json` and `involbench claims`."""

import json
from pathlib import Path
from typing import Any

import pytest

from involbench.comparison.compare import compare_experiment
from involbench.comparison.schema import ClaimResult
from involbench.reporting.experiment import write_comparison
from involbench.reporting.tables.claims import claim_sentence
from involbench.results.tree import ResultsTree
from involbench.spec.load import expand, load_spec
from tests.cli import called
from tests.results.factory import make_experiment, make_run
from tests.spec.helpers import GOOD, complaint, heads, written

CLAIM = {
    "says": "bigger",
    "source": "someone (2021)",
    "metric": "test_accuracy",
    "greater": "cnn",
    "lesser": "inn",
}
TEXT = "claims:\n  - says: bigger\n    source: x\n    metric: test_loss\n    greater: cnn\n"


def claimed(results: Path, *claims: object) -> tuple[ClaimResult, ...]:
    """The verdicts on claims about the experiment `digits`."""
    spec = {"models": {"cnn": {}, "inn": {}, "control": {}}, "claims": claims}
    (results / "digits" / "spec.yaml").write_text(json.dumps(spec))
    return compare_experiment(ResultsTree(results), "digits").claims


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """cnn, inn and control at 73, 47 and 42% with 319,178, 13,074 and 13,002 parameters."""
    make_experiment(tmp_path / "results", seeds=6)
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "supported"),
        ({"greater": "inn", "lesser": "cnn"}, "refuted"),
        ({"by": {"difference": 0.25}}, "supported"),
        ({"by": {"difference": 0.27}}, "refuted"),
        ({"by": {"ratio": 1.5}}, "supported"),
        ({"by": {"ratio": 1.6}}, "refuted"),
        ({"metric": "trainable_parameters", "by": {"ratio": 10}}, "supported"),
        ({"metric": "trainable_parameters", "by": {"ratio": 25}}, "refuted"),
        ({"metric": "trainable_parameters", "lesser": "cnn"}, "refuted"),
        ({"metric": "trainable_parameters", "lesser": "cnn", "by": {"ratio": 1}}, "supported"),
    ],
)
def test_a_claim_is_held_against_the_pairs(
    results: Path, change: dict[str, Any], verdict: str
) -> None:
    (claim,) = claimed(results, {**CLAIM, **change})
    assert claim.verdict == verdict
    assert claim.numbers[0].greater in (pytest.approx(0.735), pytest.approx(0.475), 319178)


def test_what_the_results_cannot_tell_is_undecided_and_says_why(results: Path) -> None:
    unmeasured, unknown = claimed(
        results, {**CLAIM, "metric": "macs"}, {**CLAIM, "greater": "resnet"}
    )
    assert (unmeasured.verdict, unmeasured.reason) == (
        "undecided",
        "no run of cnn has measured macs",
    )
    assert (unknown.verdict, unknown.numbers) == ("undecided", ())
    for run in results.glob("digits/runs/inn-seed[3-5]*"):
        (run / "run.json").unlink()
    (few,) = claimed(results, CLAIM)
    assert (few.verdict, few.numbers[0].beyond.runs) == ("supported", (6, 3))
    for run in results.glob("digits/runs/*-seed[12345]*"):
        (run / "run.json").unlink(missing_ok=True)
    (fewer,) = claimed(results, CLAIM)
    assert (fewer.verdict, fewer.numbers[0].beyond.runs) == ("undecided", (1, 1))
    assert fewer.reason == "so few runs can't give a verdict"


def test_claims_and_their_points_are_one_family(tmp_path: Path) -> None:
    """A difference that is enough for one claim is not enough for one of three."""
    for seed, gain in enumerate((0.1, -0.01, 0.05, 0.02, 0.08, -0.02)):
        make_run(tmp_path, "cnn", seed, accuracy=0.5 + gain, measured={"macro_f1": 0.5 + gain})
        made = {"macro_f1": 0.48 + seed / 100, "generalization_gap": seed / 10}
        make_run(tmp_path, "inn", seed, accuracy=0.48 + seed / 500, measured=made)
    (alone,) = claimed(tmp_path, CLAIM)
    assert alone.verdict == "supported"
    several = claimed(tmp_path, CLAIM, {**CLAIM, "metric": "macro_f1"})
    assert [each.verdict for each in several] == ["undecided", "undecided"]
    assert several[0].reason == (
        "the interval contains the claimed value; if the difference is what it is here, 10 seeds "
        "of each decide it four times in five"
    )
    beyond, before = several[0].numbers[0].beyond, alone.numbers[0].beyond
    assert (beyond.p, beyond.p_holm) == (before.p, pytest.approx(2 * (before.p or 0)))


def test_a_claim_of_a_sweep_holds_where_it_says_or_everywhere(tmp_path: Path) -> None:
    for size, gain in ((500, -0.1), (5000, 0.1)):
        data, point = {"dataset": "digits", "train_size": size}, {"data.train_size": size}
        for seed in range(6):
            for model, accuracy in (("cnn", 0.5), ("inn", 0.5 + gain)):
                make_run(tmp_path, model, seed, accuracy=accuracy, data=data, point=point)
    better = {**CLAIM, "greater": "inn", "lesser": "cnn"}
    everywhere, small, large = claimed(
        tmp_path,
        better,
        {**better, "at": {"data.train_size": 500}},
        {**better, "at": {"data.train_size": 5000}},
    )
    assert [claim.verdict for claim in (everywhere, small, large)] == [
        "refuted",
        "refuted",
        "supported",
    ]
    assert len(everywhere.numbers) == 2
    assert everywhere.reason == ""
    assert large.numbers[0].point == {"data.train_size": 5000}


@pytest.mark.parametrize("lost", ["inn", "both", "cnn"])
def test_a_claim_of_a_sweep_wants_runs_at_all_its_points(tmp_path: Path, lost: str) -> None:
    for size in (500, 5000):
        data, point = {"dataset": "digits", "train_size": size}, {"data.train_size": size}
        for seed in range(6):
            for model, accuracy in (("cnn", 0.5), ("inn", 0.6)):
                if size == 500 or lost not in (model, "both"):
                    make_run(tmp_path, model, seed, accuracy=accuracy, data=data, point=point)
    spec: dict[str, Any] = {"models": {"cnn": {}, "inn": {}}}
    better = {**CLAIM, "greater": "inn", "lesser": "cnn"}
    spec["claims"] = [better, {**better, "at": {"data.train_size": 500}}]
    for sweep in ({"data.train_size": [500, 5000]}, {}):
        (tmp_path / "digits" / "spec.yaml").write_text(json.dumps({**spec, "sweep": sweep}))
        everywhere, small = compare_experiment(ResultsTree(tmp_path), "digits").claims
        assert (small.verdict, len(everywhere.numbers)) == ("supported", 1)
        if sweep or lost != "both":
            which = "cnn" if lost == "cnn" else "inn"
            reason = f"no run of {which} at data.train_size = 5000"
            assert (everywhere.verdict, everywhere.reason) == ("undecided", reason)


def test_what_is_wrong_with_a_spec_and_its_claims_is_said(results: Path) -> None:
    nameless = {key: value for key, value in CLAIM.items() if key != "source"}
    (claim,) = claimed(results, {**CLAIM, "lesser": "in", "at": {"data.size": 1}}, nameless, 3)
    assert claim.verdict == "undecided"
    for command in ("compare", "claims"):
        done = called(command, cwd=results.parent)
        assert done.returncode == 0
        assert done.stderr.splitlines() == [
            "warning: digits: spec.yaml: claims[0].lesser: 'in' is not one of the models; "
            "did you mean 'inn'?",
            "warning: digits: spec.yaml: claims[0].at.data.size: not swept; this spec has no sweep",
            "warning: digits: spec.yaml: claims[1].source: missing; name who says it (an address "
            "or a reference), or write `source: ours` for a claim of your own; "
            "the claim is not judged",
            "warning: digits: spec.yaml: claims[2]: expected a mapping, got 3; "
            "the claim is not judged",
        ]
    (results / "digits" / "spec.yaml").write_text("claims: [")
    for command in ("compare", "claims"):
        done = called(command, cwd=results.parent)
        assert done.stderr.startswith("warning: digits: spec.yaml is not used: not valid")


def test_a_claim_can_be_about_one_model_at_two_points(tmp_path: Path) -> None:
    for size, accuracy in ((3, 0.4), (7, 0.5)):
        for seed in range(6):
            architecture = {"architecture": "plain", "kernel_size": size}
            make_run(
                *(tmp_path, "inn", seed),
                accuracy=accuracy + 0.001 * seed,
                architecture=architecture,
                point={"models.*.kernel_size": size},
            )
    bigger = {**CLAIM, "greater": "inn", "lesser": "inn", "at": {"models.*.kernel_size": 7}}
    apart, not_so, same = claimed(
        tmp_path,
        {**bigger, "lesser_at": {"models.*.kernel_size": 3}},
        {**bigger, "lesser_at": {"models.*.kernel_size": 3}, "by": {"ratio": 1.3}},
        {**bigger, "lesser_at": {"models.*.kernel_size": 5}},
    )
    assert (apart.verdict, not_so.verdict, same.verdict) == ("supported", "refuted", "undecided")
    assert (apart.numbers[0].greater, apart.numbers[0].lesser) == pytest.approx((0.5025, 0.4025))
    assert (
        "models.*.kernel_size = 7: inn 50.25%, inn 40.25%, 6 seeds, p 0.0043; the second at "
        "models.*.kernel_size = 3."
    ) in " ".join(claim_sentence(apart).split())


def test_only_what_another_point_makes_other_images_of_is_held_against_them(tmp_path: Path) -> None:
    for key in ("data.image_size", "models.*.kernel_size"):
        for seed in range(6):
            for size, accuracy in ((3, 0.4), (5, 0.5)):
                make_run(
                    *(tmp_path / key, "inn", seed),
                    accuracy=accuracy,
                    fingerprint=str(size) * 64,
                    point={key: size},
                )
        own = {**CLAIM, "greater": "inn", "lesser": "inn", "at": {key: 5}, "lesser_at": {key: 3}}
        (claim,) = claimed(tmp_path / key, own)
        wanted = (
            ("supported", "")
            if key.startswith("data")
            else ("undecided", "inn and inn have different")
        )
        assert claim.verdict == wanted[0]
        assert claim.reason.startswith(wanted[1])


def test_models_without_a_common_seed_are_two_samples_all_the_same(tmp_path: Path) -> None:
    for seed in range(12):
        for model in ("cnn", "inn"):
            known = (seed % 2 == 0) == (model == "inn")
            measured = {"macro_f1": 0.5 + (model == "cnn") / 10} if known else {}
            make_run(tmp_path, model, seed, measured=measured)
    (claim,) = claimed(tmp_path, {**CLAIM, "metric": "macro_f1"})
    assert (claim.verdict, claim.numbers[0].beyond.runs) == ("supported", (6, 6))
    done = called("compare", "--results", str(tmp_path), "--paired", cwd=tmp_path)
    assert "cnn and inn have no seed in common" in " ".join(done.stdout.split())


@pytest.mark.parametrize("metric", ["accuracy_drop@noise=0.1", "generalization_gap"])
def test_a_network_that_never_left_chance_supports_nothing_by_losing_nothing(
    tmp_path: Path, metric: str
) -> None:
    """Only runs that learned are compared, and the sentence says so."""
    for collapsed in (False, True):
        results = tmp_path / str(collapsed)
        for seed in range(8):
            for model, kept in (("cnn", 0.3), ("inn", 0.46)):
                measured = {"test_accuracy@noise=0.1": kept + 0.001 * seed}
                lost = collapsed and model == "inn" and seed == 0
                make_run(results, model, seed, measured=measured, collapsed=lost)
        (claim,) = claimed(results, {**CLAIM, "metric": metric})
        assert claim.verdict == "supported"
        assert claim.numbers[0].beyond.runs[1] == 8 - collapsed
        assert ("of the runs that learned" in claim_sentence(claim)) == collapsed


def test_runs_that_never_reach_an_accuracy_decide_nothing_by_being_left_out(tmp_path: Path) -> None:
    sooner = {"metric": "epochs_to@val_accuracy=0.3", "greater": "inn", "lesser": "cnn"}
    later = {**sooner, "greater": "cnn", "lesser": "inn"}
    data = {"dataset": "digits", "validation": 0.1}
    for name, lost in (("all", 0), ("some", 2), ("none", 10)):
        for seed in range(10):
            reached = 0.2 if seed < lost else 0.45
            make_run(tmp_path / name, "cnn", seed, data=data)
            make_run(tmp_path / name, "inn", seed, data=data, accuracy=reached)
    verdicts = {
        name: [
            (claim.verdict, claim.reason)
            for claim in claimed(tmp_path / name, CLAIM | sooner, CLAIM | later)
        ]
        for name in ("all", "some", "none")
    }
    assert verdicts["all"] == [("supported", ""), ("refuted", "")]
    assert (
        verdicts["some"] == [("undecided", "2 of 10 seeds of inn never reached the accuracy")] * 2
    )
    never = f"no run of inn has measured {sooner['metric']}; no run reached the accuracy"
    assert verdicts["none"] == [("undecided", never)] * 2


def test_no_claim_is_about_a_validation_on_the_test_images(results: Path) -> None:
    for metric in ("best_val_accuracy", "best_epoch", "seconds_to@val_accuracy=0.2"):
        (claim,) = claimed(results, {**CLAIM, "metric": metric})
        assert (claim.verdict, claim.reason) == (
            "undecided",
            "data.validation is 'test', so it was chosen on the test images",
        )
        assert claim.numbers[0].beyond.p is None
    found = compare_experiment(ResultsTree(results), "digits").models[1].differences
    assert (found["best_val_accuracy"].verdict, found["best_val_accuracy"].interval) == (
        "undecided",
        None,
    )
    assert found["test_accuracy"].verdict == "lower"


@pytest.mark.parametrize(
    ("metric", "difference", "said"),
    [
        ("test_accuracy", 0.1, "at least 10 points more"),
        ("test_accuracy", -0.015, "at most 1.5 points less"),
        ("seconds_per_epoch", 3, "at least 3 s more"),
        ("latency", 0.002, "at least 2 ms more"),
        ("trainable_parameters", 500, "at least 500 more"),
    ],
)
def test_what_is_claimed_is_in_the_unit_of_the_numbers(
    results: Path, metric: str, difference: float, said: str
) -> None:
    (claim,) = claimed(results, CLAIM | {"metric": metric, "by": {"difference": difference}})
    assert f"claimed: {said}" in claim_sentence(claim)


@pytest.mark.parametrize("lost", [None, 3, 7])
def test_collapsed_runs_of_either_point_of_one_model_are_left_out(
    tmp_path: Path, lost: int | None
) -> None:
    key = "models.inn.kernel_size"
    for size, accuracy in ((3, 0.3), (7, 0.8)):
        for seed in range(6):
            make_run(
                *(tmp_path, "inn", seed),
                accuracy=accuracy,
                collapsed=size == lost and seed < 2,
                architecture={"architecture": "keras_io_inn", "kernel_size": size},
                point={key: size},
            )
    about = {"metric": "generalization_gap", "greater": "inn", "lesser": "inn"}
    (claim,) = claimed(tmp_path, CLAIM | about | {"at": {key: 7}, "lesser_at": {key: 3}})
    assert (claim.verdict, claim.reason) == ("supported", "")
    learned = {None: (6, 6), 3: (6, 4), 7: (4, 6)}
    assert claim.numbers[0].beyond.runs == learned[lost]
    assert claim.numbers[0].only_learned == bool(lost)


def test_of_what_is_better_lower_the_share_is_of_the_claims_side(results: Path) -> None:
    (claim,) = claimed(results, {**CLAIM, "metric": "test_loss", "greater": "inn", "lesser": "cnn"})
    assert claim.verdict == "supported"
    assert claim.numbers[0].beyond.superiority == 1


def test_verdicts_are_in_compare_in_comparison_json_and_in_claims(results: Path) -> None:
    setting = {"by": {"ratio": 1.5}, "setting": "2 images"}
    claimed(results, {**CLAIM, **setting}, {**CLAIM, "metric": "macs"})
    shown = called("compare", cwd=results.parent)
    assert (
        "Holds here: bigger (someone (2021)): test accuracy: cnn 73.50%, inn 47.50% (1.55 times), "
        "6 seeds, p 0.0022; claimed: at least 1.5 times as much. Tested here on digits (1,437 "
        "training images), keras_io_cnn and keras_io_inn, 20 epochs, 6 runs of each. Setting of "
        "the source: 2 images."
    ) in " ".join(shown.stdout.split())
    write_comparison(ResultsTree(results), "digits")
    stored = json.loads((results / "digits" / "comparison.json").read_text())
    assert [claim["verdict"] for claim in stored["claims"]] == ["supported", "undecided"]
    assert [claim["kind"] for claim in stored["claims"]] == ["learned", "arithmetic"]
    assert [claim["setting"] for claim in stored["claims"]] == ["2 images", None]
    listed = called("claims", "--json", cwd=results.parent)
    document = json.loads(listed.stdout)
    assert [claim["experiment"] for claim in document["claims"]] == ["digits", "digits"]
    assert {k: v for k, v in document["claims"][0].items() if k != "experiment"} == (
        stored["claims"][0]
    )
    table = called("claims", cwd=results.parent).stdout
    assert max(map(len, table.splitlines())) <= 80
    assert table.startswith("digits\nHolds here: bigger (someone (2021)): test accuracy:")
    assert table.endswith("\n\n1 hold here, 0 do not hold here, 1 undecided.\n")


def test_counts_are_compared_without_the_heads_too(results: Path) -> None:
    counts = {**CLAIM, "source": "ours", "metric": "trainable_parameters"}
    more, few = claimed(results, {**counts, "by": {"ratio": 10}}, {**counts, "by": {"ratio": 100}})
    bare = more.numbers[0].without_head
    assert bare is not None
    assert (bare.greater, bare.lesser, bare.verdict) == (28_320, 72, "supported")
    assert claim_sentence(more) == (
        "Holds here: bigger (own claim): number of trainable parameters: cnn 319,178, inn 13,074 "
        "(24.4 times); without the heads cnn 28,320, inn 72 (393 times): the heads make 91% of the "
        "difference; claimed: at least 10 times as much. "
        "Counted here in keras_io_cnn and keras_io_inn."
    )
    assert (few.verdict, few.kind) == ("refuted", "arithmetic")
    assert "of the difference; without them it would hold; claimed" in claim_sentence(few)


def test_times_are_of_this_machine_and_are_not_tested_over_seeds(tmp_path: Path) -> None:
    """The verdict is that of all runs; and none where they are from several machines."""
    for seed in range(3):
        made = {"cnn": 2.0 + seed, "inn": 0.5 + seed / 2, "control": 3.0}
        for model, seconds in made.items():
            device = "GPU" if model == "control" and seed else "CPU"
            measured = {"seconds_per_epoch": seconds}
            make_run(tmp_path, model, seed, measured=measured, device=device)
    slower = {**CLAIM, "metric": "seconds_per_epoch"}
    holds, overlap, not_so, elsewhere = claimed(
        tmp_path,
        slower,
        {**slower, "by": {"ratio": 2.5}},
        {**slower, "by": {"difference": 4}},
        {**slower, "greater": "control"},
    )
    assert [each.verdict for each in (holds, overlap, not_so, elsewhere)] == [
        "supported",
        "undecided",
        "refuted",
        "undecided",
    ]
    (numbers,) = holds.numbers
    assert (numbers.beyond.p, numbers.beyond.p_holm, numbers.beyond.interval) == (None, None, None)
    assert numbers.ratio is not None
    assert numbers.ratio.model_dump() == {"times": 3.0, "low": 2 / 1.5, "high": 4 / 0.5}
    assert claim_sentence(holds) == (
        "Holds here: bigger (someone (2021)): time an epoch: cnn 3.0 s, inn 1.0 s; cnn has 3.00 "
        "times as much (1.33 to 8.00 from run to run), 3 seeds. Measured here on digits (1,437 "
        "training images), keras_io_cnn and keras_io_inn, 20 epochs, 3 runs of each, on Test CPU, "
        "2 cores. Setting of the source: not stated."
    )
    assert overlap.reason == "some runs are above the claimed value and some below"
    assert elsewhere.reason == (
        "the runs are from different machines: Test CPU, 2 cores; Test CPU, 2 cores, GPU"
    )
    (tmp_path / "digits" / "runs" / next(iter(tmp_path.glob("**/cnn-seed2*"))).name).rename(
        tmp_path / "gone"
    )
    (few,) = claimed(tmp_path, slower)
    assert (few.verdict, few.reason) == ("undecided", "so few runs don't show the spread")


SIZES = {"data.train_size": [500, 5000]}
SMALL, LARGE = ({"data.train_size": size} for size in SIZES["data.train_size"])


def trend(results: Path, gains: dict[int, float], *claims: object) -> tuple[ClaimResult, ...]:
    """Verdicts on a sweep in which inn is better than cnn by a gain for each number of images."""
    for size, gain in gains.items():
        data, point = {"dataset": "digits", "train_size": size}, {"data.train_size": size}
        for seed in range(6):
            for model, plus in (("cnn", 0.0), ("inn", gain)):
                accuracy = size / 10_000 + plus + 0.01 * (seed * seed % 5)
                make_run(results, model, seed, accuracy=accuracy, data=data, point=point)
    spec = {"models": {"cnn": {}, "inn": {}}, "sweep": SIZES, "claims": claims}
    (results / "digits" / "spec.yaml").write_text(json.dumps(spec))
    return compare_experiment(ResultsTree(results), "digits").claims


BETTER_ON_LITTLE = {**CLAIM, "greater": "inn", "lesser": "cnn", "interaction": [SMALL, LARGE]}


def test_a_trend_is_a_difference_of_differences(tmp_path: Path) -> None:
    """Better at both points is no trend; less worse at the first one is one."""
    (level,) = trend(tmp_path / "a", {500: 0.1, 5000: 0.1}, BETTER_ON_LITTLE)
    assert (level.verdict, level.reason) == (
        "undecided",
        "the interval contains the claimed value",
    )
    small, by, reverse = trend(
        tmp_path / "b",
        {500: -0.05, 5000: -0.15},
        BETTER_ON_LITTLE,
        {**BETTER_ON_LITTLE, "by": {"difference": 0.12}},
        {**BETTER_ON_LITTLE, "interaction": [LARGE, SMALL]},
    )
    assert [each.verdict for each in (small, by, reverse)] == ["supported", "undecided", "refuted"]
    (numbers,) = small.numbers
    assert (numbers.point, numbers.beyond.design) == ({}, "interaction")
    found = (numbers.greater, numbers.lesser, numbers.beyond.mean)
    assert found == pytest.approx((-0.05, -0.15, 0.1))
    assert claim_sentence(small).startswith(
        "Holds here: bigger (someone (2021)): test accuracy, inn minus cnn: -5.00 points at "
        "data.train_size = 500, -15.0 points at data.train_size = 5000; difference of the two "
        "+10.0 points, 95% interval "
    )
    assert ", 6 runs in each of the four groups, p " in claim_sentence(small)
    assert "claimed: at least 12 points more" in claim_sentence(by)


def test_a_trend_needs_runs_at_both_points(tmp_path: Path) -> None:
    (claim,) = trend(tmp_path, {500: 0.1}, BETTER_ON_LITTLE)
    assert (claim.verdict, claim.reason) == (
        "undecided",
        "no run of inn has measured test_accuracy",
    )
    counts, times = trend(
        tmp_path,
        {5000: 0.0},
        {**BETTER_ON_LITTLE, "metric": "trainable_parameters"},
        {**BETTER_ON_LITTLE, "metric": "seconds_per_epoch"},
    )
    assert (counts.verdict, counts.numbers[0].beyond.mean) == ("refuted", 0)
    assert times.reason.startswith("an interaction is tested for what is learned")
    for run in tmp_path.glob("digits/runs/inn-seed[1-5]*"):
        (run / "run.json").unlink()
    spec = json.loads((tmp_path / "digits" / "spec.yaml").read_text())
    spec["claims"] = [BETTER_ON_LITTLE]
    (tmp_path / "digits" / "spec.yaml").write_text(json.dumps(spec))
    (few,) = compare_experiment(ResultsTree(tmp_path), "digits").claims
    assert (few.verdict, few.reason) == ("undecided", "so few runs can't give a verdict")


def test_no_claims_is_said(results: Path) -> None:
    done = called("claims", cwd=results.parent)
    assert (done.returncode, done.stdout) == (
        0,
        "No claims. To add some, list them under `claims:` in a spec.\n",
    )


def test_claims_do_not_change_the_runs(tmp_path: Path) -> None:
    plain, claiming = (
        expand(load_spec(written(tmp_path, GOOD + text)))
        for text in ("", TEXT + "    lesser: inn\n")
    )
    assert plain == claiming
    assert [t.run_id("ab") for t in plain] == [t.run_id("ab") for t in claiming]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TEXT + "    lesser: in\n",
            "x.yaml:14:13: claims[0].lesser: 'in' is not one of the models; did you mean 'inn'?",
        ),
        (
            TEXT + "    lesser: cnn\n",
            "x.yaml:14:13: claims[0].lesser: the same model as in greater",
        ),
        (TEXT, "x.yaml:10:5: claims[0].lesser: missing; this key is required"),
        (
            TEXT + "    lesser: inn\n    form: x\n",
            "x.yaml:15:5: claims[0].form: unknown key; expected one of says, source, setting, "
            "metric, greater, lesser, by, at, lesser_at, interaction",
        ),
        (
            TEXT + "    lesser: inn\n    by: {ration: 3}\n",
            "x.yaml:15:10: claims[0].by.ration: unknown key; did you mean 'ratio'?",
        ),
        (
            TEXT + "    lesser: inn\n    by: {ratio: 3, difference: 1}\n",
            "x.yaml:15:9: claims[0].by: expected either ratio or difference",
        ),
        *(
            (
                TEXT.replace("test_loss", metric) + "    lesser: inn\n",
                "x.yaml:12:13: claims[0].metric: add the accuracy to reach, a fraction, "
                "such as epochs_to@val_accuracy=0.7",
            )
            for metric in ("epochs_to", "epochs_to@val_accuracy=70", "epochs_to@val_loss=0.7")
        ),
        (
            TEXT + "    lesser: inn\n    by: {ratio: -3}\n",
            "x.yaml:15:17: claims[0].by.ratio: expected a number above 0.0, got -3",
        ),
        (
            TEXT + "    lesser: inn\n    at: {data.train_size: 5}\n",
            "x.yaml:15:27: claims[0].at.data.train_size: not swept; this spec has no sweep",
        ),
        (
            "sweep: {data.train_size: [7, 9]}\n"
            + TEXT
            + "    lesser: inn\n    at: {data.train_size: 5}\n",
            "x.yaml:16:27: claims[0].at.data.train_size: expected one of the sweep's values, got 5",
        ),
        (
            "sweep: {data.train_size: [7, 9]}\n"
            + TEXT
            + "    lesser: cnn\n    at: {data.train_size: 7}\n"
            + "    lesser_at: {data.train_size: 7}\n",
            "x.yaml:15:13: claims[0].lesser: the same model as in greater",
        ),
        (
            "sweep: {data.train_size: [7, 9]}\n"
            + TEXT
            + "    lesser: cnn\n    lesser_at: {data.train_size: 7}\n",
            "x.yaml:16:34: claims[0].lesser_at.data.train_size: at does not have this key",
        ),
        *(
            (
                TEXT.replace("    source: x\n", line) + "    lesser: inn\n",
                f"x.yaml:{place}: claims[0].source: missing; name who says it (an address or a "
                "reference), or write `source: ours` for a claim of your own",
            )
            for line, place in (("", "10:5"), ("    source:\n", "11:12"))
        ),
        *(
            (
                "sweep: {data.train_size: [7, 9], models.inn.kernel_size: [3, 5]}\n"
                + TEXT
                + f"    lesser: inn\n{more}    interaction: [{points}]\n",
                message,
            )
            for points, more, message in (
                (
                    "{data.train_size: 7}",
                    "",
                    "x.yaml:16:18: claims[0].interaction: expected two points of the sweep, got 1",
                ),
                (
                    "{data.train_size: 7}, {data.train_size: 9}, {data.train_size: 7}",
                    "",
                    "x.yaml:16:18: claims[0].interaction: expected two points of the sweep, got 3",
                ),
                (
                    "{data.train_size: 7}, {data.train_size: 8}",
                    "",
                    "x.yaml:16:59: claims[0].interaction[1].data.train_size: expected one of the "
                    "sweep's values, got 8",
                ),
                (
                    "{data.train_size: 7}, {data.train_size: 7}",
                    "",
                    "x.yaml:16:18: claims[0].interaction: expected two points with the same keys "
                    "and different values",
                ),
                (
                    "{training.epochs: 7}, {training.epochs: 8}",
                    "",
                    "x.yaml:16:37: claims[0].interaction[0].training.epochs: not swept; expected "
                    "one of data.train_size, models.inn.kernel_size",
                ),
                (
                    "{models.inn.kernel_size: 3}, {models.inn.kernel_size: 5}",
                    "",
                    "x.yaml:16:44: claims[0].interaction[0].models.inn.kernel_size: of one model "
                    "only; an interaction needs a key of both, such as models.*.KEY",
                ),
                (
                    "{data.train_size: 7}, {data.train_size: 9}",
                    "    by: {ratio: 2}\n",
                    "x.yaml:16:17: claims[0].by.ratio: not with interaction, which is a "
                    "difference; give by: {difference}",
                ),
            )
        ),
        ("claims: {}\n", "x.yaml:9:9: claims: expected a list, got a mapping"),
        (
            TEXT.replace("loss", "loss@noise=0.2") + "    lesser: inn\n",
            "x.yaml:12:13: claims[0].metric: noise=0.2 is not evaluated; this spec has no evaluate",
        ),
        (
            "evaluate: {noise: [0.25], blur: [1]}\n"
            + TEXT.replace("loss", "loss@noise=0.2")
            + "    lesser: inn\n",
            "x.yaml:13:13: claims[0].metric: noise=0.2 is not evaluated; did you mean "
            "'noise=0.25'?",
        ),
    ],
)
def test_a_wrong_claim_is_explained_at_its_line(tmp_path: Path, text: str, message: str) -> None:
    assert heads(complaint(tmp_path, GOOD + text))[0] == message


@pytest.mark.parametrize(
    "metric", ["best_val_accuracy", "best_epoch", "epochs_to@val_accuracy=0.7"]
)
def test_a_spec_that_validates_on_the_test_images_claims_nothing_of_it(
    tmp_path: Path, metric: str
) -> None:
    text = GOOD + TEXT.replace("test_loss", metric) + "    lesser: inn\n"
    on_test = text.replace("dataset: digits\n", "dataset: digits\n  validation: test\n")
    assert heads(complaint(tmp_path, on_test)) == [
        "x.yaml:13:13: claims[0].metric: no claim can be about it: data.validation is 'test', so "
        "it was chosen on the test images"
    ]
    assert load_spec(written(tmp_path, text)).spec.claims[0].metric == metric
