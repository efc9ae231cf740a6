"""Remarks about a usable dataset."""

from dataclasses import dataclass

from involbench.errors import Message


@dataclass(frozen=True)
class Remark:
    """Something about a dataset, which `run` prints and `doctor` lists.

    Args:
        about: In a word or two.
        message: What there is to say.
        warning: Whether the results are worth less because of it.
    """

    about: str
    message: Message
    warning: bool = False
