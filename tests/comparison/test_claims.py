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
    assert several[0].reason == "the interval contains the claimed value"
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
            "warning: digits: spec.yaml: claims[1].source: missing; this key is required; "
            "the claim is not judged",
            "warning: digits: spec.yaml: claims[2]: expected a mapping, got 3; "
            "the claim is not judged",
        ]
    (results / "digits" / "spec.yaml").write_text("claims: [")
    for command in ("compare", "claims"):
        done = called(command, cwd=results.parent)
        assert done.stderr.startswith("warning: digits: nothing is taken from spec.yaml: not valid")


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
    for name, lost in (("all", 0), ("some", 2), ("none", 10)):
        for seed in range(10):
            make_run(tmp_path / name, "cnn", seed)
            make_run(tmp_path / name, "inn", seed, accuracy=0.2 if seed < lost else 0.45)
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


@pytest.mark.parametrize(
    ("metric", "difference", "said"),
    [
        ("test_accuracy", 0.1, "10 points more"),
        ("seconds_per_epoch", 3, "3 s more"),
        ("latency", 0.002, "2 ms more"),
        ("trainable_parameters", 500, "500 more"),
    ],
)
def test_what_is_claimed_is_in_the_unit_of_the_numbers(
    results: Path, metric: str, difference: float, said: str
) -> None:
    (claim,) = claimed(results, CLAIM | {"metric": metric, "by": {"difference": difference}})
    assert f"claimed: at least {said}" in claim_sentence(claim)


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
    claimed(results, {**CLAIM, "by": {"ratio": 1.5}}, {**CLAIM, "metric": "macs"})
    shown = called("compare", cwd=results.parent)
    assert (
        "Supported: bigger (someone (2021)): test accuracy: cnn 73.50%, inn 47.50% (1.55 times), "
        "6 seeds, p 0.0022; claimed: at least 1.5 times as much."
    ) in " ".join(shown.stdout.split())
    write_comparison(ResultsTree(results), "digits")
    stored = json.loads((results / "digits" / "comparison.json").read_text())
    assert [claim["verdict"] for claim in stored["claims"]] == ["supported", "undecided"]
    listed = called("claims", "--json", cwd=results.parent)
    document = json.loads(listed.stdout)
    assert [claim["experiment"] for claim in document["claims"]] == ["digits", "digits"]
    assert {k: v for k, v in document["claims"][0].items() if k != "experiment"} == (
        stored["claims"][0]
    )
    table = called("claims", cwd=results.parent).stdout
    assert max(map(len, table.splitlines())) <= 80
    assert table.startswith("digits\nSupported: bigger (someone (2021)): test accuracy:")
    assert table.endswith("\n\n1 supported, 0 refuted, 1 undecided.\n")


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
            "x.yaml:15:5: claims[0].form: unknown key; expected one of says, source, metric, "
            "greater, lesser, by, at, lesser_at",
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
                "x.yaml:12:13: claims[0].metric: say which accuracy is to be reached, a fraction, "
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
            "x.yaml:16:34: claims[0].lesser_at.data.train_size: at has no such key to differ in",
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
