"""Each wrong spec gets a message that names the place, the problem and the remedy."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from involbench.spec.schema import ExperimentSpec, _keys_of, keys_of
from tests.spec.helpers import GOOD, complaint, heads

NAMES = (
    "keras_io_cnn, keras_io_inn, keras_io_control, pythonguides_cnn, pythonguides_inn, plain, "
    "residual_involution, resnet, rednet"
)
PLAIN = "a plain name (a-z, 0-9, - and _, starting with a letter or digit)"

# What replaces a piece of GOOD, and the first line of the message.
CASES = {
    "unknown key": (
        "  epochs: 2",
        "  epoch: 2",
        "x.yaml:8:3: training.epoch: unknown key; did you mean 'epochs'?",
    ),
    "unknown key of another section": (
        "training:\n  epochs: 2",
        "epochs: 2",
        "x.yaml:7:1: epochs: unknown key; did you mean 'training.epochs'?",
    ),
    "unknown argument": (
        "kernel_size: 3",
        "kernal_size: 3",
        "x.yaml:6:37: models.inn.kernal_size: unknown key; did you mean 'kernel_size'?",
    ),
    "argument of an architecture without any": (
        "keras_io_cnn}",
        "keras_io_cnn, groups: 3}",
        "x.yaml:5:37: models.cnn.groups: unknown key; keras_io_cnn has no arguments",
    ),
    "duplicate key": (
        "  epochs: 2",
        "  epochs: 2\n  epochs: 3",
        "x.yaml:9:3: training.epochs: duplicate key, first given in line 8; keep one of them",
    ),
    "text for a number": (
        "epochs: 2",
        'epochs: "20"',
        "x.yaml:8:11: training.epochs: expected a whole number, got the text '20'; drop the quotes",
    ),
    "true for a number": (
        "epochs: 2",
        "epochs: true",
        "x.yaml:8:11: training.epochs: expected a whole number, got true",
    ),
    "number for a text": (
        "name: quick",
        "name: 2024",
        "x.yaml:1:7: name: expected text, got 2024; put it in quotes",
    ),
    "nothing for a number": (
        "epochs: 2",
        "epochs:",
        "x.yaml:8:10: training.epochs: expected a whole number, got nothing; "
        "give a value or leave the key out",
    ),
    "negative epochs": (
        "epochs: 2",
        "epochs: -3",
        "x.yaml:8:11: training.epochs: expected a number above 0, got -3",
    ),
    "not a number": (
        "epochs: 2",
        "epochs: .nan",
        "x.yaml:8:11: training.epochs: expected a finite number, got .nan",
    ),
    "infinite by exponent": (
        "epochs: 2",
        "optimizer: {learning_rate: 1e999}",
        "x.yaml:8:30: training.optimizer.learning_rate: expected a finite number, got 1e999",
    ),
    "unknown architecture": (
        "keras_io_cnn",
        "keras_io_cn",
        "x.yaml:5:23: models.cnn.architecture: unknown architecture 'keras_io_cn'; "
        "did you mean 'keras_io_cnn'?",
    ),
    "architecture like no other": (
        "keras_io_cnn",
        "zzz",
        "x.yaml:5:23: models.cnn.architecture: unknown architecture 'zzz'; "
        f"expected one of {NAMES}",
    ),
    "unknown operator": (
        "keras_io_cnn",
        "plain, operator: involutoin",
        "x.yaml:5:40: models.cnn.operator: unknown operator 'involutoin'; did you mean "
        "'involution'?",
    ),
    "unknown operator in a mapping": (
        "keras_io_cnn",
        "plain, operator: {name: involutoin}",
        "x.yaml:5:47: models.cnn.operator.name: unknown operator 'involutoin'; did you mean "
        "'involution'?",
    ),
    "unknown argument of an operator": (
        "keras_io_cnn",
        "plain, operator: {name: involution, group: 5}",
        "x.yaml:5:59: models.cnn.operator.group: unknown key; did you mean 'groups'?",
    ),
    "momentum of one": (
        "keras_io_cnn",
        "plain, operator: {name: involution, momentum: 1}",
        "x.yaml:5:69: models.cnn.operator.momentum: expected a number between 0 and 1, got 1",
    ),
    "regularizer without a name": (
        "keras_io_cnn",
        "plain, operator: {name: involution, kernel_regularizer: {l2: 1}}",
        "x.yaml:5:79: models.cnn.operator.kernel_regularizer: expected a name, or a mapping with a "
        "name and arguments, got a mapping",
    ),
    "a width and a budget": (
        "keras_io_inn, kernel_size: 3",
        "resnet, width: 48, match: {macs: cnn}",
        "x.yaml:6:49: models.inn.match: takes the place of a width, but there is a width, too; "
        "remove one of them",
    ),
    "argument of an operator without any": (
        "keras_io_cnn",
        "plain, operator: {name: none, heads: 2}",
        "x.yaml:5:53: models.cnn.operator.heads: unknown key; this operator has no arguments",
    ),
    "wrong argument of an operator": (
        "keras_io_cnn",
        "plain, operator: {name: involution, groups: two}",
        "x.yaml:5:67: models.cnn.operator.groups: expected a whole number above 0, got the text "
        "'two'",
    ),
    "no operator": (
        "keras_io_cnn",
        "plain, operator:",
        "x.yaml:5:39: models.cnn.operator: expected an operator's name or a mapping, got nothing",
    ),
    "width that does not fit": (
        "keras_io_cnn",
        "rednet, width: 48",
        "x.yaml:5:38: models.cnn.width: expected a multiple of 32, got 48",
    ),
    "no architecture": (
        "architecture: keras_io_cnn",
        "",
        f"x.yaml:5:3: models.cnn.architecture: missing; this key is required: one of {NAMES}",
    ),
    "misspelled architecture": (
        "architecture: keras_io_cnn",
        "architecure: keras_io_cnn",
        "x.yaml:5:3: models.cnn.architecture: missing; is 'architecure' a misspelling of it?",
    ),
    "unknown dataset": (
        "dataset: digits",
        "dataset: cifar01",
        "x.yaml:3:12: data.dataset: unknown dataset 'cifar01'; did you mean 'cifar10'?",
    ),
    "folder without a path": (
        "dataset: digits",
        "dataset: folder",
        "x.yaml:2:1: data.path: missing; the dataset 'folder' needs the path of the images' folder",
    ),
    "path without a folder": (
        "dataset: digits",
        "dataset: digits\n  path: images",
        "x.yaml:4:9: data.path: only for the datasets folder, npz and table, "
        "and the dataset is 'digits'",
    ),
    "image size without a folder": (
        "dataset: digits",
        "dataset: cifar10\n  image_size: 32",
        "x.yaml:4:15: data.image_size: only for the datasets digits, folder and table, "
        "and the dataset is 'cifar10'",
    ),
    "image size of three": (
        "dataset: digits",
        "dataset: folder\n  path: images\n  image_size: [32, 32, 3]",
        "x.yaml:5:15: data.image_size: expected a number of pixels or [height, width], got a list",
    ),
    "validation above 1": (
        "dataset: digits",
        "dataset: digits\n  validation: 10",
        "x.yaml:4:15: data.validation: expected 'test' or a fraction between 0 and 1, such as 0.1, "
        "got 10",
    ),
    "unknown augmentation": (
        "dataset: digits",
        "dataset: digits\n  augmentation: [flip, corp]",
        "x.yaml:4:24: data.augmentation[1]: unknown 'corp'; did you mean 'crop'?",
    ),
    "even kernel": (
        "kernel_size: 3",
        "kernel_size: 4",
        "x.yaml:6:50: models.inn.kernel_size: expected an odd number, got 4",
    ),
    "too much reduction": (
        "kernel_size: 3",
        "reduction_ratio: 4",
        "x.yaml:6:54: models.inn.reduction_ratio: expected a number of at most 3, got 4",
    ),
    "unknown optimizer": (
        "epochs: 2",
        "optimizer: Adan",
        "x.yaml:8:14: training.optimizer.name: unknown optimizer 'Adan'; did you mean 'adam'?",
    ),
    "another optimizer's argument": (
        "epochs: 2",
        "optimizer: {name: sgd, momentun: 0.9}",
        "x.yaml:8:26: training.optimizer.momentun: unknown key; did you mean 'momentum'?",
    ),
    "learning rate in words": (
        "epochs: 2",
        "optimizer: {name: sgd, learning_rate: fast}",
        "x.yaml:8:41: training.optimizer.learning_rate: expected a number, got the text 'fast'",
    ),
    "number for an optimizer": (
        "epochs: 2",
        "optimizer: 0.1",
        "x.yaml:8:14: training.optimizer: expected an optimizer's name or a mapping, got 0.1",
    ),
    "unknown schedule": (
        "epochs: 2",
        "learning_rate_schedule: cosin",
        "x.yaml:8:27: training.learning_rate_schedule.name: unknown 'cosin'; did you mean "
        "'cosine'?",
    ),
    "number for a schedule": (
        "epochs: 2",
        "learning_rate_schedule: 0.1",
        "x.yaml:8:27: training.learning_rate_schedule: expected a schedule's name or a mapping, "
        "got 0.1",
    ),
    "warm-up to the end": (
        "epochs: 2",
        "epochs: 2\n  learning_rate_schedule: {name: cosine, warmup_epochs: 2}",
        "x.yaml:9:57: training.learning_rate_schedule.warmup_epochs: expected less than "
        "training.epochs = 2, got 2",
    ),
    "labels smoothed away": (
        "epochs: 2",
        "label_smoothing: 1",
        "x.yaml:8:20: training.label_smoothing: expected a number below 1.0, got 1",
    ),
    "empty models": (
        "  cnn: {architecture: keras_io_cnn}\n  inn: {architecture: keras_io_inn, kernel_size: 3}",
        "  {}",
        "x.yaml:5:3: models: empty; expected at least 1 entry",
    ),
    "experiment named with a slash": (
        "name: quick",
        "name: ../quick",
        f"x.yaml:1:7: name: expected {PLAIN}, got the text '../quick'",
    ),
    "model named with a slash": (
        "  cnn:",
        "  a/b:",
        f"x.yaml:5:3: models.a/b: expected {PLAIN}, got the text 'a/b'",
    ),
    "no name": (
        "name: quick\n",
        "",
        "x.yaml:1:1: name: missing; this key is required",
    ),
    "unknown baseline": (
        "name: quick",
        "name: quick\nbaseline: cnnn",
        "x.yaml:2:11: baseline: 'cnnn' is not one of the models; did you mean 'cnn'?",
    ),
    "repeated seed": (
        "name: quick",
        "name: quick\nseeds: [4, 5, 4]",
        "x.yaml:2:15: seeds[2]: the seed 4 is listed twice",
    ),
    "no seeds": (
        "name: quick",
        "name: quick\nseeds: 0",
        "x.yaml:2:8: seeds: expected how many seeds (1 to 10000) or a list of seeds, got 0",
    ),
    "far too many seeds": (
        "name: quick",
        "name: quick\nseeds: 999999999999",
        "x.yaml:2:8: seeds: expected how many seeds (1 to 10000) or a list of seeds, "
        "got 999999999999",
    ),
    "version to come": (
        "name: quick",
        "name: quick\nspec_version: 2",
        "x.yaml:2:15: spec_version: expected 1, got 2",
    ),
    "unknown condition": (
        "training:\n",
        "evaluate: {nose: [0.1]}\ntraining:\n",
        "x.yaml:7:12: evaluate.nose: unknown key; did you mean 'noise'?",
    ),
    "condition without a list": (
        "training:\n",
        "evaluate: {noise: 0.1}\ntraining:\n",
        "x.yaml:7:19: evaluate.noise: expected a list, got 0.1",
    ),
    "too much noise": (
        "training:\n",
        "evaluate: {noise: [0.1, 25]}\ntraining:\n",
        "x.yaml:7:25: evaluate.noise[1]: expected a number of at most 1.0, got 25",
    ),
    "condition listed twice": (
        "training:\n",
        "evaluate: {contrast: [0.5, 0.2, 0.5]}\ntraining:\n",
        "x.yaml:7:33: evaluate.contrast[2]: 0.5 is listed twice",
    ),
    "shift by half a pixel": (
        "training:\n",
        "evaluate: {shift: [0.5]}\ntraining:\n",
        "x.yaml:7:20: evaluate.shift[0]: expected a whole number, got 0.5",
    ),
    "sizes that no model takes": (
        "training:\n",
        "evaluate: {image_size: [24]}\ntraining:\n",
        "x.yaml:7:24: evaluate.image_size: no model takes images of another size than it was "
        "trained on; pythonguides_cnn, pythonguides_inn, resnet, rednet do",
    ),
    "seed below zero": (
        "name: quick",
        "name: quick\nseeds: [-3]",
        "x.yaml:2:9: seeds[0]: expected a number of at least 0, got -3",
    ),
    "model whose name is a list": (
        "  cnn: {architecture: keras_io_cnn}\n  inn: {architecture: keras_io_inn, kernel_size: 3}",
        "  [cnn, inn]: {architecture: keras_io_cnn}",
        "x.yaml:5:3: models: expected a key of plain text",
    ),
    "swept value that is not finite": (
        "training:\n",
        "sweep: {training.optimizer.learning_rate: [1e-3, .inf]}\ntraining:\n",
        "x.yaml:7:50: sweep.training.optimizer.learning_rate[1]: expected a finite number, "
        "got .inf",
    ),
    "merge key": (
        "  cnn: {architecture: keras_io_cnn}\n  inn:",
        "  cnn: &a {architecture: keras_io_inn}\n  two: {kernel_size: 5, <<: *a}\n  inn:",
        "x.yaml:6:25: models.two: merge keys (<<) are not read; write out the keys",
    ),
    "quoted key that looks like a merge key": (
        "kernel_size: 3",
        "'<<': 3",
        "x.yaml:6:37: models.inn.<<: unknown key; expected one of kernel_size, reduction_ratio",
    ),
    "argument of the optimizer beside it": (
        "epochs: 2",
        "learning_rate: 0.1",
        "x.yaml:8:3: training.learning_rate: unknown key; did you mean "
        "'training.optimizer.learning_rate'?",
    ),
    "key of a section in an optimizer": (
        "epochs: 2",
        "optimizer: {name: sgd, batch_size: 8}",
        "x.yaml:8:26: training.optimizer.batch_size: unknown key; did you mean "
        "'training.batch_size'?",
    ),
    "argument of the operator beside it": (
        "keras_io_cnn",
        "plain, group_channels: 8",
        "x.yaml:5:30: models.cnn.group_channels: unknown key; did you mean "
        "'operator.group_channels'?",
    ),
    "argument of the network in its operator": (
        "keras_io_cnn",
        "plain, operator: {name: involution, kernel_size: 7}",
        "x.yaml:5:59: models.cnn.operator.kernel_size: unknown key; did you mean "
        "'models.cnn.kernel_size'?",
    ),
    "misspelt key of another section": (
        "epochs: 2",
        "epochs: 2\nepocs: 3",
        "x.yaml:9:1: epocs: unknown key; did you mean 'training.epochs'?",
    ),
    "kernel of a million": (
        "kernel_size: 3",
        "kernel_size: 1000001",
        "x.yaml:6:50: models.inn.kernel_size: expected a number of at most 255, got 1000001",
    ),
    "list for a mapping": (
        "training:\n  epochs: 2",
        "training: [2]",
        "x.yaml:7:11: training: expected a mapping, got a list",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_problem_gets_one_message(tmp_path: Path, case: str) -> None:
    before, after, expected = CASES[case]
    assert before in GOOD
    assert heads(complaint(tmp_path, GOOD.replace(before, after, 1))) == [expected]


def test_the_line_is_quoted_with_a_caret_under_the_place(tmp_path: Path) -> None:
    message = complaint(tmp_path, GOOD.replace("kernel_size: 3", "kernel_size: 4"))
    assert message == (
        "x.yaml:6:50: models.inn.kernel_size: expected an odd number, got 4\n"
        "  6 |   inn: {architecture: keras_io_inn, kernel_size: 4}\n"
        "    |                                                  ^"
    )


def test_a_long_line_is_quoted_around_the_place(tmp_path: Path) -> None:
    line = f"data: {{dataset: digits, {'a' * 500}: 1, train_size: -7}}"
    message = complaint(tmp_path, GOOD.replace("data:\n  dataset: digits", line))
    *_, quote, caret = message.splitlines()
    assert len(quote) < 120
    assert quote[caret.index("^") :].startswith("-7")


SEVERAL = """\
name: a/b
data: {dataset: digit, train_size: 0}
models:
  cnn: {architecture: keras_io_cmm}
  inn: {architecture: keras_io_inn, kernel_size: 2, kernel_size: 3}
training:
  epochs: -1
  optimizer: {learning_rate: -1, beta1: 0.9}
baseline: inm
sweep:
  training.epochs: [1, 0]
  models.imn.kernel_size: [3]
  training.batch_size: []
"""


def test_all_problems_of_a_file_come_at_once_in_its_order(tmp_path: Path) -> None:
    assert heads(complaint(tmp_path, SEVERAL)) == [
        f"x.yaml:1:7: name: expected {PLAIN}, got the text 'a/b'",
        "x.yaml:2:17: data.dataset: unknown dataset 'digit'; did you mean 'digits'?",
        "x.yaml:2:36: data.train_size: expected a number above 0, got 0",
        "x.yaml:4:23: models.cnn.architecture: unknown architecture 'keras_io_cmm'; "
        "did you mean 'keras_io_cnn'?",
        "x.yaml:5:50: models.inn.kernel_size: expected an odd number, got 2",
        "x.yaml:5:53: models.inn.kernel_size: duplicate key, first given in line 5; "
        "keep one of them",
        "x.yaml:7:11: training.epochs: expected a number above 0, got -1",
        "x.yaml:8:30: training.optimizer.learning_rate: expected a number above 0, got -1",
        "x.yaml:8:34: training.optimizer.beta1: unknown key; did you mean 'beta_1'?",
        "x.yaml:9:11: baseline: 'inm' is not one of the models; did you mean 'inn'?",
        "x.yaml:11:24: sweep.training.epochs[1]: expected a number above 0, got 0",
        "x.yaml:12:3: sweep.models.imn.kernel_size: 'imn' is not one of the models; "
        "did you mean 'inn'?",
        "x.yaml:13:24: sweep.training.batch_size: empty; expected at least 1 entry",
    ]


SECTIONS = sorted({".".join(map(str, key[:-1])) for key in keys_of(ExperimentSpec)} | {"claims"})


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_key_is_named_in_every_section(tmp_path: Path, section: str) -> None:
    value = {"": "zzz=1", "claims": "claims=[{zzz: 1}]"}.get(section, f"{section}.zzz=1")
    told = complaint(tmp_path, GOOD, value)
    assert "zzz: unknown key; expected one of " in told or "zzz=1: unknown key; expected" in told


def test_the_schema_is_made_once_for_all_unknown_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, make = [], BaseModel.model_json_schema.__func__

    def counted(model: type[BaseModel], *arguments: object, **options: object) -> object:
        made.append(model)
        return make(model, *arguments, **options)

    monkeypatch.setattr(BaseModel, "model_json_schema", classmethod(counted))
    _keys_of.cache_clear()
    text = GOOD + "".join(f"key{number}: 1\n" for number in range(200))
    assert "150 more problems" in complaint(tmp_path, text)
    assert made.count(ExperimentSpec) == 1
