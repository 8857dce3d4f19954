"""The vault against a naive model: any history of commands, key changes, time and restarts gives what the rules say."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from hsm_sim.core.errors import HsmError
from hsm_sim.core.vault import UNRESTRICTED, Domain, VaultSettings
from hsm_sim.requests import (
    CardOpened,
    DeleteToken,
    DescribeToken,
    Detokenise,
    ResumeToken,
    StoreCard,
    SuspendToken,
    TokenCryptogram,
)
from tests.hsm_sim.vault.builders import MERCHANT, VaultHsm
from tests.support.hsm import OTHER_PAN, PAN, first_use

DAY_S = 86_400
OURS = Domain(merchants=(MERCHANT,), merchant_initiated=True)
PANS = st.sampled_from([PAN, OTHER_PAN])
REQUESTORS = st.sampled_from(["acct_1", "acct_2"])
REFERENCES = st.sampled_from(["r1", "r2", "r3"])


@dataclass
class Issued:
    """A cryptogram, and what the model knows of it."""

    token: str
    made: TokenCryptogram
    amount_minor: int
    at: float
    spent_on: str = ""

    @property
    def atc(self) -> int:
        return int(self.made.atc, 16)


@dataclass
class Token:
    """A token as the rules see it."""

    pan: str
    requestor: str
    domain: Domain
    state: str = "active"
    seen: int = 0
    recorded: set[str] = field(default_factory=set)
    cvv2: str = ""
    cvv2_until: float = 0.0
    erase_at: float = 0.0


class VaultModel(RuleBasedStateMachine):
    """Rules are commands; each compares the answer with the model's."""

    tokens = Bundle("tokens")
    cryptograms = Bundle("cryptograms")

    @initialize()
    def start_up(self) -> None:
        self.hsm = VaultHsm(settings=VaultSettings(cards_max=2, batch_rows=1, keep_deleted_days=1))
        self.known: dict[str, Token] = {}

    @rule(
        target=tokens, pan=PANS, requestor=REQUESTORS, cvc=st.sampled_from(["", "111", "222"]), may_start=st.booleans()
    )
    def store(self, pan: str, requestor: str, cvc: str, may_start: bool) -> object:
        domain = OURS if may_start else UNRESTRICTED
        same = [
            token
            for token, known in self.known.items()
            if (known.pan, known.requestor) == (pan, requestor) and known.state in ("active", "suspended")
        ]

        stored = self.hsm.ask("gateway", StoreCard(pan, "3012", cvc, requestor, domain))

        if same and domain not in (UNRESTRICTED, self.known[same[0]].domain):
            assert stored.code == "VH"
            return multiple()
        assert stored.code == "00"
        assert [stored.token] == same or (not same and stored.token not in self.known)
        known = self.known.setdefault(stored.token, Token(pan, requestor, domain))
        if cvc:
            known.cvv2, known.cvv2_until = cvc, self.hsm.now + 600.0
        return stored.token

    @rule(target=cryptograms, token=tokens, amount_minor=st.sampled_from([100, 200]))
    def issue(self, token: str, amount_minor: int) -> object:
        made = self.hsm.paid(token, amount_minor)

        assert made.code == self._use_code(self.known[token])
        return Issued(token, made, amount_minor, self.hsm.at.timestamp()) if made.code == "00" else multiple()

    @rule(issued=cryptograms, reference=REFERENCES, amount_minor=st.sampled_from([100, 100, 200]))
    def spend(self, issued: Issued, reference: str, amount_minor: int) -> None:
        known = self.known[issued.token]
        expected = self._spend_code(issued, reference, amount_minor)
        cvv2 = known.cvv2 if not issued.spent_on and self.hsm.now < known.cvv2_until else ""

        opened = self.hsm.ask("switch", first_use(issued.token, issued.made, reference, amount_minor))

        self._compare(opened, expected, known, cvv2)
        if expected == "00" and not issued.spent_on:
            issued.spent_on = reference
            known.recorded.add(reference)
            known.seen = max(known.seen, issued.atc)
            known.cvv2 = ""

    @rule(token=tokens, reference=REFERENCES)
    def follow(self, token: str, reference: str) -> None:
        known = self.known[token]
        expected = "V3" if reference not in known.recorded else "VA" if known.state == "erased" else "00"

        self._compare(self.hsm.followed(token, reference), expected, known)

    @rule(token=tokens, reference=REFERENCES)
    def start(self, token: str, reference: str) -> None:
        known = self.known[token]
        if reference in known.recorded:
            expected = "VA" if known.state == "erased" else "00"
        else:
            expected = self._use_code(known)
            if expected == "00" and not known.domain.merchant_initiated:
                expected = "VG"

        self._compare(self.hsm.started(token, reference), expected, known)

        if expected == "00":
            known.recorded.add(reference)

    @rule(token=tokens)
    def suspend(self, token: str) -> None:
        self._change(token, SuspendToken(token, self.known[token].requestor, "reason"), "suspended")

    @rule(token=tokens)
    def resume(self, token: str) -> None:
        self._change(token, ResumeToken(token, self.known[token].requestor, "reason"), "active")

    @rule(token=tokens)
    def delete(self, token: str) -> None:
        known = self.known[token]

        assert self.hsm.ask("gateway", DeleteToken(token, known.requestor, "reason")).code == "00"

        if known.state in ("active", "suspended"):
            known.state, known.cvv2 = "deleted", ""
            known.erase_at = int(self.hsm.at.timestamp()) + DAY_S

    @rule(token=tokens)
    def describe(self, token: str) -> None:
        known = self.known[token]

        told = self.hsm.ask("gateway", DescribeToken(token, known.requestor))

        assert (told.code, told.state, told.domain) == ("00", known.state, known.domain)
        assert bool(told.fingerprint) == (known.state in ("active", "suspended"))

    @rule(token=tokens, reference=REFERENCES)
    def crash_while_opening(self, token: str, reference: str) -> None:
        made = self.hsm.paid(token, 100)
        if made.code == "00":
            self.hsm.lose("switch", first_use(token, made, reference, 100))
            self._forget_cvv2s()

    @rule(kind=st.sampled_from(["card", "fingerprint"]))
    def rotate(self, kind: str) -> None:
        with suppress(HsmError):
            self.hsm.rotate(kind)

    @rule()
    def retire_fingerprints(self) -> None:
        with suppress(HsmError):
            self.hsm.retire_fingerprints()

    @rule()
    def tick(self) -> None:
        self.hsm.tick()

    @rule(seconds=st.sampled_from([1, 599, 600, 901, DAY_S]))
    def advance(self, seconds: int) -> None:
        self.hsm.pass_time(seconds)
        self.hsm.tick(len(self.known) + 1)
        for known in self.known.values():
            if known.state == "deleted" and known.erase_at <= int(self.hsm.at.timestamp()):
                known.state = "erased"

    @rule()
    def restart(self) -> None:
        self.hsm.restart()
        self._forget_cvv2s()

    @rule(token=consumes(tokens), other=tokens)
    def a_reference_of_one_token_opens_no_other(self, token: str, other: str) -> None:
        only = self.known[token].recorded - self.known[other].recorded
        for reference in sorted(only):
            assert self.hsm.ask("switch", Detokenise(other, reference)).code == "V3"

    @invariant()
    def no_row_holds_a_card_number(self) -> None:
        written = repr([tuple(row) for row in self.hsm.rows()])
        assert PAN not in written
        assert OTHER_PAN not in written

    def _change(self, token: str, request: SuspendToken | ResumeToken, state: str) -> None:
        known = self.known[token]
        is_alive = known.state in ("active", "suspended")

        assert self.hsm.ask("gateway", request).code == ("00" if is_alive else "VA")

        if is_alive:
            known.state = state

    def _use_code(self, known: Token) -> str:
        return {"active": "00", "suspended": "V9"}.get(known.state, "VA")

    def _spend_code(self, issued: Issued, reference: str, amount_minor: int) -> str:
        known = self.known[issued.token]
        if amount_minor != issued.amount_minor:
            return "V1"
        if issued.spent_on:
            return "V2" if issued.spent_on != reference else "VA" if known.state == "erased" else "00"
        if int(self.hsm.at.timestamp()) - int(issued.at) > 900:
            return "V4"
        return "V8" if issued.atc <= known.seen - 64 else self._use_code(known)

    def _compare(self, opened: CardOpened, expected: str, known: Token, cvv2: str = "") -> None:
        assert opened.code == expected
        if expected == "00":
            assert (opened.pan, opened.expiry, opened.cvv2) == (known.pan, "3012", cvv2)
            assert len(opened.audit_id) == 16
        else:
            assert opened == CardOpened(expected)

    def _forget_cvv2s(self) -> None:
        for known in self.known.values():
            known.cvv2 = ""


VaultModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestVaultModel = VaultModel.TestCase
