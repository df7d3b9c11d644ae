"""How a list is asked for (contracts/modzy.md, A.2): filters and pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from headrace.domain.errors import Invalid

T = TypeVar("T")

CAP = 1_000  # the most that one answer holds


@dataclass(frozen=True, slots=True)
class Filter:
    """A part of the text is enough, in any letter case. `,` means or and `;` means and; `or` binds tighter."""

    text: str = ""

    def takes(self, value: str) -> bool:
        wanted, value = self.text.casefold(), value.casefold()
        if wanted in value:  # the empty filter, and a name that itself has a comma
            return True
        groups = [[word.strip() for word in group.split(",") if word.strip()] for group in wanted.split(";")]
        return all(any(word in value for word in words) for words in groups if words)


@dataclass(frozen=True, slots=True)
class Page:
    """Pages count from 1."""

    number: int = 1
    size: int = CAP

    def __post_init__(self) -> None:
        if self.number < 1:
            raise Invalid(f"page {self.number} does not exist: the first page is 1")
        if not 1 <= self.size <= CAP:
            raise Invalid(f"per-page is {self.size}; it must be between 1 and {CAP}")

    def of(self, found: Sequence[T]) -> list[T]:
        start = (self.number - 1) * self.size
        return list(found[start : start + self.size])
