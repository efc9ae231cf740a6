"""What came of matching one model's size to another's."""

from involbench.results.record import Record


class Matched(Record):
    """The width that comes nearest to the budget."""

    width: int
    count: int
    """Trainable parameters or multiply-accumulates at this width."""
    budget: int
    """Those of the model that is matched."""

    @property
    def excess(self) -> float:
        """By what share of the budget the count is above it."""
        return self.count / self.budget - 1 if self.budget else float("inf")
