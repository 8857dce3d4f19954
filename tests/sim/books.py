"""The audit at the end: what the four books say of each payment, against what its gateway knows of it.

A step of a payment is found again by its trace numbers on each leg, and counted with what stands of it. Beside that the
sums of every account are worked out from the steps alone, so that what is booked under no known name is found too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from banks.acquirer.host import AcquirerHost
from banks.core.clearings import OPEN, PRESENTED, ClearingRow
from banks.core.fees import FeePlans, reserve
from banks.core.intents import Intent, IntentRow
from banks.core.requests import CHARGE, CREDIT, HOLD, RequestRow
from banks.issuer.books import SINGLE
from banks.issuer.host import IssuerHost
from banks.ledger import AccountRow, EntryRow, HoldRow, verify
from tests.sim.node import SimNode
from tests.sim.orders import REFUND, Order, Standing, Step, standing_of
from tests.support.totals import Sums, naive_totals, stored_totals

ISSUERS = ("issuer-a", "issuer-b")
PASSED = ("approved", "stood in", "advised")


class Payment(NamedTuple):
    """One payment: what its gateway knows, and its name at the banks ("" if it was not approved)."""

    order: Order
    steps: list[Step]
    standing: Standing
    name: str


class Books:
    """All books of a house that has come to rest."""

    def __init__(self, nodes: Mapping[str, SimNode], orders: Mapping[int, Order]) -> None:
        self.nodes = nodes
        self.acquirer: AcquirerHost = nodes["acquirer"].machine
        self.issuers: list[IssuerHost] = [nodes[name].machine for name in ISSUERS]
        self.intents = [IntentRow(*row) for row in nodes["acquirer"].journal.rows["intents"].values()]
        self.cleared = [ClearingRow(*row) for row in nodes["acquirer"].journal.rows["clearings"].values()]
        self.requests = [RequestRow(*row) for name in ISSUERS for row in nodes[name].journal.rows["requests"].values()]
        self.steps = [Step(*row) for row in nodes["gateway"].journal.rows["steps"].values()]
        self.payments = [self._payment(order) for order in orders.values()]

    def _payment(self, order: Order) -> Payment:
        steps = [step for step in self.steps if step.payment == order.number]
        name = f"payment/400001/{steps[0].rrn}/{order.terminal}" if steps and steps[0].rrn else ""
        return Payment(order, steps, standing_of(steps), name)

    def check(self) -> None:
        """Compare everything."""
        self._intents()
        self._legs()
        for payment in self.payments:
            self._payment_at_issuer(payment)
        self._nobody_elses()
        self._cards()
        self._merchants()
        self._presentments()
        self._chains()
        self._restarts()

    # The acquirer

    def _intents(self) -> None:
        intents = {Intent(row).key: row for row in self.intents}
        for payment in self.payments:
            for step in payment.steps:
                key = f"{step.terminal}/{step.stan}/{step.transmitted}"
                row = intents.pop(key if step.mti[1:3] == "10" else f"{key}/{step.mti[1:3]}", None)
                stands = row.remains_minor if row is not None and row.state == "approved" else 0
                assert stands == step.left_minor, f"acquirer: {stands} stand of {step}: {row}"
            if payment.standing.authorised_minor:
                self._running_amounts(payment)
        assert not intents, f"acquirer: intents of nobody: {list(intents)}"
        assert not [row for row in self.intents if row.state in ("sent", "waiting")], "intents without an end"

    def _running_amounts(self, payment: Payment) -> None:
        (root,) = [row for row in self.intents if row.rrn == payment.steps[0].rrn and not row.root]
        sums = (root.authorised_minor, root.captured_minor, root.refunded_minor, bool(root.is_final))
        assert sums == payment.standing, f"acquirer: {sums}, and at the gateway {payment.standing}"

    def _merchants(self) -> None:
        """Balances of merchants, fees and network follow from what stands; so do the batches."""
        expected: Counter[str] = Counter()
        books, plans = self.acquirer.books, FeePlans(self.acquirer.books.fee_plans.rows.values())
        for payment in self.payments:
            merchant = books.directory.merchants[payment.order.merchant]
            pending, kept = f"merchant/{merchant.identifier}/pending", f"merchant/{merchant.identifier}/reserve"
            expected[pending] -= payment.standing.refunded_minor
            expected["network"] += payment.standing.refunded_minor
            for step in payment.steps:
                if not step.is_charge or not step.left_minor:
                    continue
                fees, back = (
                    plans.of(merchant.fee_plan, "840", step.left_minor),
                    reserve(step.left_minor, merchant.reserve_bp),
                )
                expected["network"] -= step.left_minor
                expected[pending] += step.left_minor - fees.total_minor - back
                expected[kept] += back
                for part, fee in zip(("interchange", "scheme", "acquirer"), fees, strict=True):
                    expected[f"fees/{part}"] += fee
        found = {name.removesuffix("/840"): account.posted_minor for name, account in books.ledger.accounts.items()}
        wrong = {name for name in (*found, *expected) if found.get(name, 0) != expected[name]}
        assert not wrong, f"acquirer: {[(name, found.get(name), expected[name]) for name in wrong]}"
        for terminal in books.directory.terminals:
            rows = [row for row in self.nodes["acquirer"].journal.rows["batches"].values() if row[0] == terminal]
            net_minor = sum(row[5] + row[7] - row[9] - row[11] for row in rows)
            sums = standing_of(step for step in self.steps if step.terminal == terminal)
            known_minor = sums.refunded_minor - sums.captured_minor
            assert net_minor == known_minor, f"{terminal}: batches {net_minor}, steps {known_minor}"

    def _presentments(self) -> None:
        """Each capture and refund that stands is to be presented, or has been; what has been is posted, once."""
        due = {
            step.stan: step.left_minor
            for step in self.steps
            if (step.is_charge or step.kind == REFUND) and step.left_minor
        }
        standing = [row for row in self.cleared if row.state in (OPEN, PRESENTED)]
        assert sorted(row.amount_minor for row in standing) == sorted(due.values()), "clearing rows and steps differ"
        posted = Counter(row.arn for row in self.requests if row.arn and row.effect in (CHARGE, CREDIT))
        assert max(posted.values(), default=1) == 1, f"presented twice: {posted}"
        assert {row.arn for row in self.cleared if row.state == PRESENTED} <= set(posted), "presented, and not posted"

    # The switch

    def _legs(self) -> None:
        journal = self.nodes["switch"].journal
        legs = {row[1]: row for row in journal.rows["legs"].values()}
        for row in self.intents:
            function = row.mti[1] if row.mti[2] == "0" else row.mti[1:3]
            leg = legs.pop(f"{function}/{row.stan}/{row.network_time}/400001", None)
            stands = 0
            if leg is not None and leg[5] in PASSED:
                asked, told, parts = json.loads(leg[7]), json.loads(leg[9]), json.loads(leg[11])
                stands = min([int(told.get("4") or asked["4"]), *parts.values()])
            known = row.remains_minor if row.state == "approved" and row.kind != "CONFIRMATION" else 0
            assert stands == known, f"switch: {stands} stand of {row}: {leg}"
        assert not legs, f"switch: legs of nobody: {list(legs)}"
        assert not [row for row in journal.rows["legs"].values() if row[5] in ("forwarded", "withdrawn")], "open legs"
        counted, accepted = stored_totals(journal), naive_totals(journal)
        if self.nodes["switch"].world.ahead:
            # What is answered after its date was closed counts on another.
            counted, accepted = _of_any_day(counted), _of_any_day(accepted)
        assert counted == accepted, "the switch's totals are not what it accepted"

    # The issuers

    def _payment_at_issuer(self, payment: Payment) -> None:
        rows = [row for row in self.requests if row.payment == payment.name and payment.name]
        sums = {
            effect: sum(row.left_minor for row in rows if row.effect == effect) for effect in (HOLD, CHARGE, CREDIT)
        }
        is_single = bool(payment.steps) and payment.steps[0].is_charge
        known = payment.standing
        expected = {HOLD: 0 if is_single else known.authorised_minor, CHARGE: known.captured_minor}
        expected[CREDIT] = known.refunded_minor
        assert sums == expected, f"issuer: {sums}, and at the gateway {payment}: {rows}"

    def _nobody_elses(self) -> None:
        names = {payment.name for payment in self.payments}
        others = [row for row in self.requests if row.effect in (HOLD, CHARGE, CREDIT) and row.left_minor]
        assert not [row for row in others if row.payment not in names], "an issuer books payments of nobody"

    def _cards(self) -> None:
        """Balances and holds of the cards follow from what stands, what was presented, and the time."""
        posted, held, settled = Counter[str](), Counter[str](), Counter[str]()
        at = int(self.nodes["gateway"].world.at().timestamp())
        is_single = self.issuers[0].rules.messages == SINGLE
        for payment in self.payments:
            rows = [row for row in self.requests if row.payment == payment.name and payment.name]
            taken = payment.standing.captured_minor
            for row in sorted(rows, key=lambda row: row.sequence):
                if row.effect == HOLD:
                    used = min(taken, row.left_minor)
                    taken -= used
                    is_held = row.until > at and not payment.standing.is_final
                    held[row.account] += row.left_minor - used if is_held else 0
                elif row.effect == CHARGE and (row.arn or is_single):
                    posted[row.account] -= row.left_minor
                elif row.effect == CHARGE:
                    held[row.account] += row.left_minor if row.until > at else 0
                elif row.effect == CREDIT and (row.arn or is_single):
                    posted[row.account] += row.left_minor
                elif row.effect == CREDIT:
                    settled[row.account] += row.left_minor if row.until > at else 0
        for issuer in self.issuers:
            self._accounts(issuer, posted, held)
            ours = set(issuer.books.ledger.accounts)
            owed = issuer.books.ledger.accounts.get("settlement/840")
            assert (owed.held_minor if owed else 0) == sum(
                minor for account, minor in settled.items() if account in ours
            ), "refunds that are to come are not what is held for them"

    def _accounts(self, issuer: IssuerHost, posted: Mapping[str, int], held: Mapping[str, int]) -> None:
        opening = {row[4]: row[6] for row in self._entries(issuer) if row[8] == "opening balance"}
        for name, account in issuer.books.ledger.accounts.items():
            if name.startswith(("equity", "settlement")):
                continue
            sums = (account.posted_minor, account.held_minor)
            expected = (opening.get(name, 0) + posted[name], held[name])
            assert sums == expected, f"issuer: {name} has {sums}, not {expected}"

    def _entries(self, issuer: IssuerHost) -> Iterable[tuple[Any, ...]]:
        return self.nodes[ISSUERS[self.issuers.index(issuer)]].journal.rows["entries"].values()

    # All of them

    def _chains(self) -> None:
        for name in ("acquirer", *ISSUERS):
            rows = self.nodes[name].journal.rows
            entries = [EntryRow(*row) for row in rows["entries"].values()]
            accounts = [AccountRow(*row) for row in rows["accounts"].values()]
            holds = [HoldRow(*row) for row in rows["holds"].values() if row[3] == OPEN]
            assert verify(entries, accounts, holds) == [], f"{name}: the chain of entries is broken"

    def _restarts(self) -> None:
        """What a node would know after a restart is what it knows."""
        for name in ("acquirer", *ISSUERS):
            node = self.nodes[name]
            again: Any = node.build()
            again.restore(node.journal.read())
            for known, found in zip(_memory(node.machine), _memory(again), strict=True):
                assert known == found, f"{name}: a restart would change {known} to {found}"


def _memory(host: AcquirerHost | IssuerHost) -> list[Any]:
    ledger = host.books.ledger
    accounts = {account.row() for account in ledger.accounts.values()}
    known: list[Any] = [accounts, ledger.holds, ledger.head, host.books.tombstones]
    if isinstance(host, AcquirerHost):
        return [*known, host.books.clearings, host.books.batches, host.books.directory.merchants]
    return [*known, host.books.cards]


def _of_any_day(sums: Sums) -> Sums:
    added: dict[tuple[str, str, str], Counter[str]] = {}
    for (member, _, currency), counts in sums.items():
        added.setdefault((member, "", currency), Counter()).update(counts)
    return {key: dict(counts) for key, counts in added.items()}
