"""Keys are changed over the link itself, and no message is lost by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hsm_sim.requests.keys import MakeKey
from hsm_sim.zones.kinds import KeyKind
from hsm_sim.zones.messages import OfferedKey, key_fields
from hsm_sim.zones.rules import Exchanged, ExchangeOutcome, ZoneRules
from iso import Message
from tests.support.zones import LINK, Side, Zones


def changed(bench: Zones, kind: KeyKind = KeyKind.MAC) -> Exchanged:
    call = bench.owner.exchange(kind)
    bench.carry()
    result = bench.owner.result(call)
    assert isinstance(result, Exchanged)
    return result


def pays(bench: Zones, side: Side, stan: str) -> str:
    call = side.ask(stan)
    bench.carry()
    answer = side.result(call)
    return answer.response_code if isinstance(answer, Message) else str(answer)


class TestExchange:
    """The owner makes a key and sends it; both use it, and the one before is accepted for a while."""

    @pytest.mark.parametrize("kind", [KeyKind.MAC, KeyKind.PIN, KeyKind.PIN_AES])
    def test_both_sides_use_the_new_key(self, kind: KeyKind) -> None:
        bench = Zones().up()
        before = bench.kcv_in_use(bench.owner, kind)

        result = changed(bench, kind)

        assert (result.outcome, result.generation) == (ExchangeOutcome.CHANGED, 2)
        assert bench.kcv_in_use(bench.owner, kind) == bench.kcv_in_use(bench.member, kind) == result.kcv != before

    def test_traffic_goes_on_under_the_new_mac_key(self) -> None:
        bench = Zones().up()
        changed(bench)

        codes = [pays(bench, side, stan) for stan, side in (("000001", bench.member), ("000002", bench.owner))]

        assert codes == ["00", "00"]
        assert (bench.owner.bad_macs, bench.member.bad_macs) == (0, 0)

    def test_what_was_sealed_before_is_accepted_after(self) -> None:
        bench = Zones().up()
        bench.member.ask("000001")
        early = bench.held.pop()
        changed(bench)

        bench.owner.receive(early[1], early[2])

        assert [message.stan for message in bench.owner.host.seen] == ["000001"]

    def test_after_the_grace_time_it_is_not(self) -> None:
        bench = Zones(ZoneRules(grace_s=60.0)).up()
        bench.member.ask("000001")
        early = bench.held.pop()
        changed(bench)
        pays(bench, bench.member, "000002")
        bench.pass_time(61.0)
        bench.carry()

        bench.owner.receive(early[1], early[2])

        assert [message.stan for message in bench.owner.host.seen] == ["000002"]
        assert bench.owner.link.counters["bad_mac"] == 1
        assert bench.owner.states() == bench.member.states() == [(1, "retired"), (2, "current")]

    def test_the_grace_time_does_not_begin_before_the_peer_is_heard_under_the_new_key(self) -> None:
        bench = Zones(ZoneRules(grace_s=60.0)).up()
        bench.owner.exchange(KeyKind.MAC)
        bench.carry(1)
        bench.lose(1)
        bench.pass_time(600.0)

        assert bench.member.states() == [(2, "received")]

    def test_the_next_change_waits_for_the_end_of_the_grace_time(self) -> None:
        bench = Zones().up()
        generations = []
        for _ in range(3):
            generations.append(changed(bench).generation)
            assert changed(bench).outcome is ExchangeOutcome.BUSY
            for _ in range(5):
                bench.pass_time(31.0)
                bench.carry()

        assert generations == [2, 3, 4]
        assert pays(bench, bench.member, "000001") == pays(bench, bench.owner, "000002") == "00"

    def test_a_pin_key_has_the_one_before_beside_it_for_the_grace_time(self) -> None:
        bench = Zones(ZoneRules(grace_s=60.0)).up()
        changed(bench, KeyKind.PIN)
        during = [len(side.keys.pin_places(LINK)) for side in (bench.owner, bench.member)]

        bench.pass_time(61.0)

        assert during == [2, 2]
        assert [len(side.keys.pin_places(LINK)) for side in (bench.owner, bench.member)] == [1, 1]

    def test_a_link_without_macs_changes_its_pin_keys(self) -> None:
        bench = Zones(mac="none", dialect_name="ascii87").up()

        assert changed(bench, KeyKind.PIN).outcome is ExchangeOutcome.CHANGED
        assert changed(bench, KeyKind.MAC).outcome is ExchangeOutcome.NO_SUCH_KEY

    def test_a_link_with_the_retail_mac_changes_its_key(self) -> None:
        bench = Zones(mac="retail").up()

        assert changed(bench, KeyKind.MAC_RETAIL).outcome is ExchangeOutcome.CHANGED
        assert pays(bench, bench.member, "000001") == "00"

    def test_a_1993_link_carries_keys_too(self) -> None:
        bench = Zones(dialect_name="ebcdic93").up()

        assert changed(bench).outcome is ExchangeOutcome.CHANGED
        assert pays(bench, bench.member, "000001") == "00"

    def test_nothing_is_made_while_the_link_is_down(self) -> None:
        bench = Zones()

        assert changed(bench).outcome is ExchangeOutcome.LINK_DOWN
        assert bench.owner.states() == []

    def test_no_key_is_in_a_row_or_a_remark(self) -> None:
        bench = Zones().up()
        kcv = changed(bench).kcv

        text = f"{bench.owner.journal.rows} {bench.member.journal.rows} {bench.owner.notes} {bench.member.notes}"

        assert kcv in text
        assert "D0112" not in text
        assert "D0144" not in text


class TestLostAnswer:
    """An offer without an answer is the same offer again; the key in use stays until both have the new one."""

    def test_a_lost_offer_is_sent_again(self) -> None:
        bench = Zones(ZoneRules(retry_s=5.0)).up()
        call = bench.owner.exchange(KeyKind.MAC)
        bench.lose()
        bench.pass_time(5.0)
        first = bench.owner.result(call)
        bench.pass_time(5.0)
        bench.carry()

        assert isinstance(first, Exchanged)
        assert first.outcome is ExchangeOutcome.UNANSWERED
        assert bench.kcv_in_use(bench.owner) == bench.kcv_in_use(bench.member) == first.kcv

    def test_a_lost_yes_is_said_again_and_the_key_is_the_same(self) -> None:
        bench = Zones(ZoneRules(retry_s=5.0)).up()
        bench.owner.exchange(KeyKind.MAC)
        bench.carry(1)
        bench.lose()
        bench.pass_time(5.0)
        bench.pass_time(5.0)
        bench.carry()

        assert bench.owner.states()[-1] == bench.member.states()[-1] == (2, "current")
        assert pays(bench, bench.member, "000001") == "00"

    @pytest.mark.parametrize("carried", range(6))
    @pytest.mark.parametrize("who", ["owner", "member", "both"])
    def test_a_restart_at_any_point_ends_in_one_key(self, who: str, carried: int) -> None:
        bench = Zones().up()
        bench.owner.exchange(KeyKind.MAC)
        bench.carry(carried)
        bench.cut()
        for side in (bench.owner, bench.member):
            if who in ("both", "owner" if side is bench.owner else "member"):
                side.restart()
        bench.up()
        for _ in range(5):
            bench.pass_time(5.0)
            bench.carry()

        assert bench.kcv_in_use(bench.owner) == bench.kcv_in_use(bench.member)
        assert pays(bench, bench.member, "000001") == pays(bench, bench.owner, "000002") == "00"
        assert (bench.owner.bad_macs, bench.member.bad_macs) == (0, 0)

    def test_a_silent_hsm_of_the_member_postpones_it(self) -> None:
        bench = Zones(mac="none", dialect_name="ascii87").up()
        bench.member.party.is_silent = True
        result = changed(bench, KeyKind.PIN)
        bench.member.party.is_silent = False
        bench.pass_time(6.0)
        bench.carry()

        assert (result.outcome, result.code) == (ExchangeOutcome.UNANSWERED, "96")
        assert bench.member.states(KeyKind.PIN)[-1] == (2, "current")

    def test_a_silent_hsm_of_the_owner_ends_it_before_anything_is_sent(self) -> None:
        bench = Zones(mac="none", dialect_name="ascii87").up()
        bench.owner.party.is_silent = True

        assert changed(bench, KeyKind.PIN).outcome is ExchangeOutcome.HSM_FAILED
        assert bench.held == []


def offer(bench: Zones, offered: OfferedKey, stan: str = "000500") -> Message:
    fields = {7: "0314092653", 11: stan, 70: "101", **key_fields(offered)}
    return Message("0800", fields)


def told(bench: Zones, message: Message) -> str:
    call = bench.owner.start(lambda: bench.owner.host.desk.request(LINK, message, 5.0))
    bench.carry()
    answer = bench.owner.result(call)
    assert isinstance(answer, Message)
    return answer.response_code


def made(bench: Zones, usage: str = "M6", algorithm: str = "A1", mode: str = "C") -> OfferedKey:
    key = bench.hsm.ask("switch", MakeKey(usage, algorithm, mode, zmk="K100"))
    return OfferedKey(KeyKind.MAC, key.kcv, key.zmk_key[1:])


class TestRefusal:
    """A key that is not what it says is refused, and nothing changes."""

    def test_a_bad_check_value_is_a_security_violation(self) -> None:
        bench = Zones().up()
        offered = made(bench)

        assert told(bench, offer(bench, offered._replace(kcv="0" * 6))) == "63"
        assert bench.member.states() == []
        assert pays(bench, bench.member, "000001") == "00"

    def test_a_forged_block_is_a_security_violation(self) -> None:
        bench = Zones().up()
        offered = made(bench)
        last = "0" if offered.block[-1] != "0" else "1"

        assert told(bench, offer(bench, offered._replace(block=offered.block[:-1] + last))) == "63"

    @pytest.mark.parametrize("data", ["", "junk", "01006ABCDEF", "01006ABCDEF02003D01"])
    def test_key_data_that_cannot_be_read_is_a_format_error(self, data: str) -> None:
        bench = Zones().up()
        message = offer(bench, made(bench)).with_fields({125: data or None})

        assert told(bench, message) == "30"

    def test_a_key_of_another_kind_than_de_53_says_is_a_format_error(self) -> None:
        bench = Zones().up()

        assert told(bench, offer(bench, made(bench)._replace(kind=KeyKind.PIN))) == "30"

    def test_a_key_that_is_not_shared_here_is_not_supported(self) -> None:
        bench = Zones(mac="none", dialect_name="ascii87").up()

        assert told(bench, offer(bench, made(bench))) == "40"

    def test_the_owner_takes_no_keys(self) -> None:
        bench = Zones().up()
        call = bench.member.start(lambda: bench.member.host.desk.request(LINK, offer(bench, made(bench)), 5.0))
        bench.carry()
        answer = bench.member.result(call)

        assert isinstance(answer, Message)
        assert answer.response_code == "40"

    def test_a_refused_offer_is_given_up_and_the_next_one_is_another_key(self) -> None:
        bench = Zones().up()
        take = bench.member.host.managers.pop("101")
        refused = changed(bench)
        bench.pass_time(60.0)
        bench.member.host.managers["101"] = take

        assert (refused.outcome, refused.code) == (ExchangeOutcome.REFUSED, "30")
        assert bench.owner.states() == [(2, "refused")]
        assert changed(bench).generation == 3


class TestRequest:
    """A member may ask for a new key; it follows by itself."""

    def test_the_key_follows(self) -> None:
        bench = Zones().up()
        call = bench.member.start(lambda: bench.member.keys.request(LINK, KeyKind.MAC))
        bench.carry()
        bench.pass_time(0.0)
        bench.carry()

        assert bench.member.result(call) == "00"
        assert bench.member.states()[-1] == (2, "current")

    def test_without_de_53_every_key_follows(self) -> None:
        bench = Zones().up()
        wish = Message("0800", {7: "0314092653", 11: "000500", 70: "161"})
        bench.member.start(lambda: bench.member.host.desk.request(LINK, wish, 5.0))
        for _ in range(4):
            bench.carry()
            bench.pass_time(1.0)

        kinds = {row[2] for row in bench.member.journal.rows["zone_keys"].values() if row[5] == "current"}
        assert kinds == {"mac", "pin", "pin-aes"}

    def test_a_member_that_is_asked_for_keys_has_none(self) -> None:
        bench = Zones().up()
        wish = Message("0800", {7: "0314092653", 11: "000500", 70: "161"})

        assert told(bench, wish) == "40"


class TestSchedule:
    """The owner changes each key after a span of business time, once."""

    def test_it_is_due_after_its_time(self) -> None:
        bench = Zones(ZoneRules(every=timedelta(hours=24))).up()
        bench.advance(timedelta(hours=23))
        bench.carry()
        early = bench.owner.states()
        bench.advance(timedelta(hours=2))
        for _ in range(4):
            bench.carry()
            bench.pass_time(1.0)

        assert early == [(1, "current")]
        assert bench.owner.states() == [(1, "old"), (2, "current")]

    def test_a_restart_does_not_begin_the_time_anew(self) -> None:
        bench = Zones(ZoneRules(every=timedelta(hours=24))).up()
        bench.advance(timedelta(hours=23))
        bench.cut()
        bench.owner.restart()
        bench.up()
        bench.advance(timedelta(hours=2))
        for _ in range(4):
            bench.carry()
            bench.pass_time(1.0)

        assert bench.owner.states()[-1] == (2, "current")

    def test_it_wakes_the_node_by_itself(self) -> None:
        bench = Zones(ZoneRules(every=timedelta(hours=1))).up()

        at = bench.owner.keys.deadline()

        assert at is not None
        assert at <= bench.hsm.now + 3600.0
