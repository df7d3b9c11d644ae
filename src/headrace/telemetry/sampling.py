"""Which requests get a span, as Triton's trace settings say (contracts/oip.md, A16); until then OpenTelemetry decides.

As with Triton, a rate N is every Nth request of a model, a count ends it, and a request that brings a trace of its own
is part of that whatever rate and count say. No level but OFF means none at all.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Rule:
    """`rate`: one in so many; 0: only those that bring a trace. `left`: so many more; negative: no limit."""

    on: bool
    rate: int
    left: int
    seen: int = 0

    def wants(self, *, brought: bool) -> bool:
        if not self.on or brought:
            return self.on
        if not self.rate or not self.left:
            return False
        self.seen += 1
        if self.seen < self.rate:
            return False
        self.seen = 0
        self.left -= self.left > 0
        return True


class Sampling:
    """Of all doors. A model's own rule wins over the one for all."""

    def __init__(self) -> None:
        self._all: Rule | None = None
        self._models: dict[str, Rule] = {}

    def set(self, rule: Rule, model: str | None = None) -> None:
        """`model`: its identifier; None: all that have no rule of their own."""
        if model is None:
            self._all = rule
        else:
            self._models[model] = rule

    def forget(self, model: str) -> None:
        """It has no rule of its own any more."""
        self._models.pop(model, None)

    def wants(self, model: str, traceparent: str) -> bool:
        rule = self._models.get(model, self._all)
        return rule is None or rule.wants(brought=bool(traceparent))
