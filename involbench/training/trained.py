"""A finished run -> its network again: as it ended, or as it began."""

import keras
import numpy as np

from involbench.errors import UsageError
from involbench.results.paths import ResultsPath
from involbench.results.record import DataFacts, RunRecord
from involbench.training.device import make_reproducible
from involbench.training.fit import Factors, build
from involbench.training.weights import load_weights


def restored(record: RunRecord, facts: DataFacts, weights: ResultsPath | None) -> keras.Model:
    """Build the network that the run trained.

    It is built from the record, and only the weights are read: a file can run no code this way.

    Args:
        record: The run's.
        facts: What the run saw of its dataset.
        weights: Its model.keras; None for the network before its first step.

    Returns:
        A model from scaled images to logits.

    Raises:
        SpecError: This version cannot build it.
        UsageError: The weights are damaged, or another network's.
    """
    keras.backend.clear_session()
    make_reproducible(record.trial.seed, record.trial.training.deterministic)
    model = build(record.trial, facts.input_shape, len(facts.class_names))
    if weights is not None:
        try:
            load_weights(model, weights)
        except Exception as error:  # Keras raises nearly anything on damaged input.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UsageError(
                f"{weights}: damaged, or another version's ({reason}); "
                "`involbench run --force` trains it again"
            ) from error
    return model


def factors(facts: DataFacts) -> tuple[Factors, Factors]:
    """Mean and standard deviation by which the run scaled its images, a channel."""
    return np.array(facts.mean, np.float32), np.array(facts.std, np.float32)
