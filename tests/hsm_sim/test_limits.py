"""The limit on wrong PINs: who guesses is stopped, and the table neither grows nor knows whom it counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.limits import PinFails
from hsm_sim.requests.pin_values import KeepPin, MakePinBlock, MakePvv, RandomPin
from hsm_sim.requests.pins import VerifyPinPvv
from tests.support.hsm import PAN, Hsm

KEY = bytes(range(32))
ACCOUNT = "242424242424"


def three_in_a_minute(accounts_max: int = 100) -> PinFails:
    return PinFails(KEY, fails_max=3, window_s=60.0, accounts_max=accounts_max)


class TestBlocking:
    """An account is blocked after too many failures within the window, until the first of them is old."""

    def test_the_last_allowed_failure_blocks(self) -> None:
        fails = three_in_a_minute()

        for now in (0.0, 10.0):
            fails.failed("issuer-a", ACCOUNT, now)
        before = fails.blocked("issuer-a", ACCOUNT, 20.0)
        fails.failed("issuer-a", ACCOUNT, 20.0)

        assert not before
        assert fails.blocked("issuer-a", ACCOUNT, 20.0)
        assert fails.blocked("issuer-a", ACCOUNT, 59.9)
        assert not fails.blocked("issuer-a", ACCOUNT, 60.0)

    def test_other_accounts_and_other_parties_are_not_blocked(self) -> None:
        fails = three_in_a_minute()

        for _ in range(3):
            fails.failed("issuer-a", ACCOUNT, 0.0)

        assert not fails.blocked("issuer-a", ACCOUNT[::-1], 0.0)
        assert not fails.blocked("issuer-b", ACCOUNT, 0.0)
        assert not fails.blocked("issuer", "-a" + ACCOUNT, 0.0)

    def test_failures_that_are_far_apart_do_not_block(self) -> None:
        fails = three_in_a_minute()

        for now in range(0, 600, 31):
            fails.failed("issuer-a", ACCOUNT, float(now))
            assert not fails.blocked("issuer-a", ACCOUNT, float(now))

    def test_without_a_maximum_nobody_is_blocked_or_counted(self) -> None:
        fails = PinFails(KEY, fails_max=0)

        for _ in range(100):
            fails.failed("issuer-a", ACCOUNT, 0.0)

        assert not fails.blocked("issuer-a", ACCOUNT, 0.0)
        assert len(fails) == 0

    @given(
        st.lists(
            st.tuples(st.floats(0, 40), st.sampled_from("abc"), st.sampled_from(["failed", "expire"])),
            max_size=60,
        )
    )
    def test_it_is_the_same_as_looking_through_every_failure(self, steps: list[tuple[float, str, str]]) -> None:
        fails, now = three_in_a_minute(), 0.0
        history: dict[str, list[float]] = {"a": [], "b": [], "c": []}

        for later, account, step in steps:
            now += later
            if step == "failed" and not fails.blocked("p", account, now):
                fails.failed("p", account, now)
                history[account].append(now)
            elif step == "expire":
                fails.expire(now)
            for name, instants in history.items():
                recent = [at for at in instants[-3:] if now - at < 60.0]
                assert fails.blocked("p", name, now) == (len(recent) == 3)


class TestMemory:
    """The table is bounded, empties itself, and holds no account."""

    def test_a_full_table_forgets_the_account_whose_last_failure_is_oldest(self) -> None:
        fails = three_in_a_minute(accounts_max=2)

        for _ in range(3):
            fails.failed("p", "first", 0.0)
            fails.failed("p", "second", 0.0)
        fails.failed("p", "first", 1.0)
        fails.failed("p", "third", 2.0)

        assert len(fails) == 2
        assert fails.blocked("p", "first", 2.0)
        assert not fails.blocked("p", "second", 2.0)

    def test_it_is_empty_when_the_window_has_passed(self) -> None:
        fails = three_in_a_minute()
        fails.failed("p", "first", 0.0)
        fails.failed("p", "second", 5.0)

        deadlines = [fails.deadline()]
        fails.expire(60.0)
        deadlines.append(fails.deadline())
        fails.expire(65.0)

        assert deadlines == [60.0, 65.0]
        assert fails.deadline() is None
        assert len(fails) == 0

    def test_it_shows_no_account(self) -> None:
        fails = three_in_a_minute()
        fails.failed("issuer-a", ACCOUNT, 0.0)

        assert ACCOUNT not in repr(fails)
        assert all(ACCOUNT not in repr(getattr(fails, name)) for name in fails.__slots__)


class TestAtTheEngine:
    """Somebody who may verify PINs cannot try them all: after ten wrong ones even the right PIN is answered "39"."""

    def wrong_and_right(self, hsm: Hsm) -> tuple[VerifyPinPvv, VerifyPinPvv]:
        key = indexes.zpk("switch")
        pin = hsm.ask("issuer-a", RandomPin(PAN)).pin
        block = hsm.ask("issuer-a", MakePinBlock(key, pin, "01", PAN)).block
        pvv = hsm.ask("issuer-a", MakePvv(key, indexes.PVK, block, "01", PAN)).pvv
        right = VerifyPinPvv(key, indexes.PVK, block, "01", PAN, "1", pvv)
        assert hsm.ask("issuer-a", right).code == "00"
        return right._replace(pvv=f"{(int(pvv) + 1) % 10_000:04d}"), right

    def test_it_blocks_until_the_window_has_passed(self) -> None:
        hsm = Hsm()
        wrong, right = self.wrong_and_right(hsm)

        tried = [hsm.ask("issuer-a", wrong).code for _ in range(11)]
        blocked = hsm.ask("issuer-a", right).code
        hsm.pass_time(3600)
        later = hsm.ask("issuer-a", right).code

        assert tried == ["01"] * 10 + ["39"]
        assert blocked == "39"
        assert later == "00"

    def test_the_right_pin_in_between_forgives_nothing(self) -> None:
        hsm = Hsm()
        wrong, right = self.wrong_and_right(hsm)

        codes = [hsm.ask("issuer-a", request).code for _ in range(2) for request in [wrong] * 9 + [right]]

        assert codes == ["01"] * 9 + ["00"] + ["01"] + ["39"] * 9

    def test_nor_does_a_comparison_that_the_guesser_makes_himself(self) -> None:
        hsm = Hsm()
        wrong, right = self.wrong_and_right(hsm)
        own = hsm.ask("issuer-a", KeepPin(right.key, right.block, "01", PAN)).pin
        compare = f"BE{right.key}{right.block}01{ACCOUNT}{own}".encode()

        before = [hsm.ask("issuer-a", wrong).code for _ in range(9)]
        compared = hsm.frame("issuer-a", compare)
        after = [hsm.ask("issuer-a", request).code for request in (wrong, right)]

        assert (before, compared, after) == (["01"] * 9, b"BF00", ["01", "39"])

    def test_every_wrong_pin_is_audited_without_the_account(self) -> None:
        hsm = Hsm()
        wrong, _ = self.wrong_and_right(hsm)

        for _ in range(11):
            hsm.ask("issuer-a", wrong)

        rows = list(hsm.journal.rows["hsm_audit"].values())
        assert [row[4] for row in rows if row[3] == "EC"] == ["01"] * 10 + ["39"]
        assert PAN[3:15] not in repr(rows)
