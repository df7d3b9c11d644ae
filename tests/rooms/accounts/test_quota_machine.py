"""Quotas against a bookkeeper who keeps every receipt: whatever happens in whatever order, the counts agree."""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from headrace.accounts import quotas
from headrace.accounts.quotas import QuotaOwner
from headrace.domain.errors import QuotaExceeded
from headrace.domain.quota import Period, QuotaScope, Terms, window_at

START = 1_704_000_000_000  # the last days of 2023: all five windows will turn
STEPS = [1, 1_000, 1_800_000, 3_600_000, 86_400_000, 7 * 86_400_000, 40 * 86_400_000]
OWNERS = [QuotaOwner("ann", "red"), QuotaOwner("bob", "red"), QuotaOwner("bob", "blue"), QuotaOwner("bob", "red", "p")]
SUBJECTS = [
    (QuotaScope.USER, "ann"),
    (QuotaScope.USER, "bob"),
    (QuotaScope.TEAM, "red"),
    (QuotaScope.PROJECT, "p"),
]


@dataclass
class Receipt:
    owner: QuotaOwner
    at: int
    left: int  # inputs that were not given back yet


@dataclass
class Book:
    """What one quota should count: the receipts since it was made or re-made."""

    scope: QuotaScope
    subject: str
    terms: Terms
    kept: dict[int, int] = field(default_factory=dict)  # receipt → inputs counted for it
    at: dict[int, int] = field(default_factory=dict)  # receipt → when

    def used(self, now):
        window = window_at(self.terms, now)
        inside = (number for number in self.kept if window is None or window_at(self.terms, self.at[number]) == window)
        return sum(self.kept[number] for number in inside)

    def room(self, now):
        return None if window_at(self.terms, now) is None else self.terms.limit - self.used(now)

    def holds(self, owner):
        scopes = (
            {QuotaScope.USER: owner.user, QuotaScope.TEAM: owner.team}
            if owner.project is None
            else {QuotaScope.TEAM: owner.team, QuotaScope.PROJECT: owner.project}
        )
        return scopes.get(self.scope) == self.subject


class QuotaMachine(RuleBasedStateMachine):
    made = Bundle("made")

    def __init__(self, connect):
        super().__init__()
        self.connect = connect

    @initialize()
    def open(self):
        self.tx = self.connect()
        self.now = START
        self.books = {}
        self.receipts = []

    def write(self, function, *args):
        with self.tx.begin_nested():
            return function(self.tx, *args)

    def terms(self, limit, kind):
        if kind == "span":
            return Terms(limit, None, self.now - 1_000, self.now + 3_000_000)
        return Terms(limit, kind)

    @rule(
        target=made,
        where=st.sampled_from(SUBJECTS),
        limit=st.integers(0, 30),
        kind=st.sampled_from([None, "span", *Period]),
    )
    def create(self, where, limit, kind):
        self.now += 1
        terms = self.terms(limit, kind)
        quota = self.write(quotas.create, *where, terms, self.now)
        self.books[quota.identifier] = Book(*where, terms)
        return quota.identifier

    @rule(identifier=made, limit=st.integers(0, 30))
    def change_limit(self, identifier, limit):
        if identifier not in self.books:
            return
        book = self.books[identifier]
        book.terms = Terms(limit, book.terms.period, book.terms.starts, book.terms.ends)
        self.write(quotas.change, identifier, book.terms, self.now)

    @rule(identifier=made, limit=st.integers(0, 30), kind=st.sampled_from([None, "span", *Period]))
    def change_period(self, identifier, limit, kind):
        if identifier not in self.books:
            return
        self.now += 1
        old, terms = self.books[identifier], self.terms(limit, kind)
        self.write(quotas.change, identifier, terms, self.now)
        if (old.terms.period, old.terms.starts, old.terms.ends) == (terms.period, terms.starts, terms.ends):
            old.terms = terms
        else:
            self.books[identifier] = Book(old.scope, old.subject, terms)

    @rule(identifier=made)
    def remove(self, identifier):
        if self.books.pop(identifier, None) is not None:
            self.write(quotas.remove, identifier)

    @rule(step=st.sampled_from(STEPS))
    def wait(self, step):
        self.now += step

    @rule(owner=st.sampled_from(OWNERS), inputs=st.integers(1, 12))
    def charge(self, owner, inputs):
        self.now += 1
        mine = [book for book in self.books.values() if book.holds(owner)]
        if any(book.room(self.now) is not None and book.room(self.now) < inputs for book in mine):
            with pytest.raises(QuotaExceeded):
                self.write(quotas.charge, owner, inputs, self.now)
            return
        self.write(quotas.charge, owner, inputs, self.now)
        self.receipts.append(Receipt(owner, self.now, inputs))
        for book in mine:
            if book.room(self.now) is not None:
                book.kept[len(self.receipts) - 1] = inputs
                book.at[len(self.receipts) - 1] = self.now

    @rule(which=st.integers(0, 10**6), inputs=st.integers(1, 12))
    def credit(self, which, inputs):
        """Like the jobs room: never more than is left of a charge."""
        if not self.receipts:
            return
        self.now += 1
        number = which % len(self.receipts)
        receipt = self.receipts[number]
        back = min(inputs, receipt.left)
        receipt.left -= back
        if back:
            self.write(quotas.credit, receipt.owner, back, receipt.at, self.now)
        for book in self.books.values():
            window = window_at(book.terms, receipt.at)
            over = window is None or (window.end is not None and window.end <= self.now)
            if number in book.kept and not over:
                book.kept[number] -= back

    @invariant()
    def the_counts_agree(self):
        if not hasattr(self, "tx"):
            return
        counted = {quota.identifier: quota.used for quota in self.write(quotas.find, self.now)}
        assert {identifier: book.used(self.now) for identifier, book in self.books.items()} == counted

    def teardown(self):
        if hasattr(self, "tx"):
            self.tx.close()


def test_quotas_and_their_bookkeeper_agree(scratch):
    often = settings(max_examples=60, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(lambda: QuotaMachine(scratch), settings=often)
