"""What a trial tells of itself while it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochReport:
    """One epoch ended."""

    epoch: int
    """Counted from 1."""
    epochs: int
    images: int
    """Trained on in it."""
    metrics: dict[str, float]
    """loss, accuracy, val_loss, val_accuracy, seconds."""
