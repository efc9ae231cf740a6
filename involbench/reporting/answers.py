"""What a network says of images, as rows of a table, as JSON and as captions."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from involbench.reporting.numbers_table import NumbersTable
from involbench.results.looking import Answers
from involbench.results.wording import excerpt

PREDICT_VERSION = 1
"""Of the JSON document."""
_LONGEST = 20


def answers_view(answers: Answers, class_names: Sequence[str]) -> Iterator[RenderableType]:
    """A row an image: the most probable class, the next one, and the true one where it is known."""
    labels = answers.pictures.labels
    columns = ["image", "class", "probability %", "next", "probability %"]
    missed = wrong(answers)
    rows = []
    for index, name in enumerate(answers.pictures.names):
        row = [excerpt(name)]
        for place in _best(answers, index)[:2]:
            row += [excerpt(class_names[place], _LONGEST), _percent(answers, index, place)]
        if labels is not None:
            verdict = "wrong" if missed[index] else "right"
            row += [excerpt(class_names[labels[index]], _LONGEST), verdict]
        rows.append(row)
    yield NumbersTable(columns if labels is None else [*columns, "true class", ""], rows)
    if labels is not None:
        right = len(missed) - sum(missed)
        yield Text(f"\n{right} of {len(labels)} right; an image is named by its number, from 0")


def answers_document(answers: Answers, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """The same for `--json`, with the probability of every class; null where it is no number."""
    labels = answers.pictures.labels
    return [
        {
            "image": name,
            "class": class_names[_best(answers, index)[0]],
            "true_class": None if labels is None else class_names[labels[index]],
            "probabilities": {
                known: value if np.isfinite(value) else None
                for known, value in zip(
                    class_names, answers.probabilities[index].tolist(), strict=True
                )
            },
        }
        for index, name in enumerate(answers.pictures.names)
    ]


def answer_captions(answers: Answers, class_names: Sequence[str]) -> list[list[str]]:
    """Below each picture: its name, the predicted class, and the true one where it is known."""
    captions = []
    for index, name in enumerate(answers.pictures.names):
        best = _best(answers, index)[0]
        said = f"{class_names[best]} ({_percent(answers, index, best)}%)"
        labels = answers.pictures.labels
        if labels is None:
            captions.append([name.rpartition("/")[2], said])
        else:
            captions.append([f"test image {name}", said, f"true: {class_names[labels[index]]}"])
    return captions


def wrong(answers: Answers) -> list[bool]:
    """Which predicted classes are known to be wrong."""
    labels = answers.pictures.labels
    if labels is None:
        return [False] * len(answers.probabilities)
    return [bool(label != _best(answers, index)[0]) for index, label in enumerate(labels)]


def _best(answers: Answers, index: int) -> list[int]:
    """Classes, the most probable first."""
    order: list[int] = np.argsort(-answers.probabilities[index], kind="stable").tolist()
    return order


def _percent(answers: Answers, index: int, place: int) -> str:
    return f"{100 * answers.probabilities[index, place]:.1f}"
