"""Store-and-forward: durable first, in order per card and destination, repeated until a final answer, never lost."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from iso import Message
from node.core.saf import SafEntry, SafMachine, SafRules
from node.core.turn import Row, Turn
from tests.support.links import EPOCH

RULES = SafRules(backoff_first_s=1.0, backoff_max_s=8.0, attempts_max=3, in_flight_max=3)


def entry(identifier: str = "r1", link: str = "issuer-a", card: str = "9999000000004242") -> SafEntry:
    return SafEntry(identifier, link, card, Message("0420", {2: card, 11: "000001"}), EPOCH.isoformat())


def opened(*entries: SafEntry, rules: SafRules = RULES) -> SafMachine:
    saf = SafMachine(rules)
    saf.link_up("issuer-a")
    for item in entries:
        saf.put(item, Turn(EPOCH))
    return saf


def identifiers(entries: list[SafEntry]) -> list[str]:
    return [item.identifier for item in entries]


def dead(*entries: SafEntry, code: str = "14") -> SafMachine:
    saf = opened(*entries)
    while due := saf.due(0.0):
        for item in due:
            saf.sending(item, Turn(EPOCH))
            saf.answered(item.identifier, code, 0.0, Turn(EPOCH))
    return saf


class TestDeadLetters:
    """What nobody will take is kept and visible, over a restart too, and goes out again when somebody asks for it."""

    def test_a_dead_entry_is_kept(self) -> None:
        saf = dead(entry())

        assert list(saf.dead) == ["r1"]
        assert saf.entries == {}

    def test_it_survives_a_restart(self) -> None:
        before, after = dead(entry()), SafMachine(RULES)

        after.restore([before.dead["r1"].row()])

        assert list(after.dead) == ["r1"]
        assert after.entries == {}

    def test_it_is_not_stored_a_second_time(self) -> None:
        saf, turn = dead(entry()), Turn(EPOCH)

        saf.put(entry(), turn)

        assert turn.stores == {}
        assert saf.entries == {}

    def test_resent_it_is_stored_and_goes_out_as_a_repeat_with_all_its_attempts_anew(self) -> None:
        saf, turn = dead(entry()), Turn(EPOCH)

        resent = saf.resend("r1", turn)

        assert resent is not None
        assert turn.stored("saf") == [resent.row()]
        assert (resent.state, resent.attempts, saf.dead) == ("waiting", 1, {})
        assert saf.sending(saf.due(0.0)[0], Turn(EPOCH)).mti == "0421"

    def test_what_was_never_sent_is_no_repeat(self) -> None:
        saf = opened(entry())
        saf.answered(saf.due(0.0)[0].identifier, "14", 0.0, Turn(EPOCH))

        saf.resend("r1", Turn(EPOCH))

        assert saf.sending(saf.due(0.0)[0], Turn(EPOCH)).mti == "0420"

    def test_it_goes_behind_what_its_card_has_waiting(self) -> None:
        saf = dead(entry("r1"))
        saf.put(entry("r2"), Turn(EPOCH))

        saf.resend("r1", Turn(EPOCH))

        assert identifiers(saf.due(0.0)) == ["r2"]

    @pytest.mark.parametrize("identifier", ["r2", "nobody"])
    def test_only_a_dead_entry_can_be_resent(self, identifier: str) -> None:
        saf, turn = dead(entry("r1")), Turn(EPOCH)
        saf.put(entry("r2"), Turn(EPOCH))

        assert saf.resend(identifier, turn) is None
        assert turn.stores == {}

    def test_memory_keeps_the_latest(self) -> None:
        saf = SafMachine(RULES._replace(dead_max=2))

        saf.restore([(*entry(f"r{number}").row()[:5], "dead", 1, EPOCH.isoformat()) for number in range(4)])

        assert list(saf.dead) == ["r2", "r3"]


class TestStoring:
    """An entry is stored in the turn that decides it, and each change of it in the turn that makes it."""

    def test_an_entry_is_stored_before_it_is_due(self) -> None:
        saf, turn = SafMachine(RULES), Turn(EPOCH)

        saf.put(entry(), turn)

        assert turn.stored("saf") == [entry().row()]
        assert saf.due(0.0) == []

    def test_an_identifier_is_taken_once(self) -> None:
        saf, turn = opened(entry()), Turn(EPOCH)

        saf.put(entry(), turn)

        assert turn.stores == {}
        assert len(saf) == 1

    def test_an_entry_comes_back_from_its_row(self) -> None:
        assert SafEntry.from_row(entry().row()).row() == entry().row()

    def test_a_final_code_ends_it(self) -> None:
        saf, turn = opened(entry()), Turn(EPOCH)
        saf.sending(saf.due(0.0)[0], turn)

        ended = saf.answered("r1", "00", 1.0, turn)

        assert ended is not None
        assert [(row[5], row[6]) for row in turn.stored("saf")] == [("waiting", 1), ("done", 1)]
        assert len(saf) == 0

    def test_a_code_that_nobody_repeats_is_a_dead_letter(self) -> None:
        saf, turn = opened(entry()), Turn(EPOCH)
        saf.sending(saf.due(0.0)[0], turn)

        saf.answered("r1", "12", 1.0, turn)

        assert turn.stored("saf")[-1][5] == "dead"

    def test_the_last_attempt_makes_a_dead_letter(self) -> None:
        saf, turn, now = opened(entry()), Turn(EPOCH), 0.0
        for _ in range(3):
            saf.sending(saf.due(now)[0], turn)
            ended = saf.unanswered("r1", now, turn)
            now += 100.0

        assert ended is not None
        assert turn.stored("saf")[-1][5:7] == ("dead", 3)


class TestSending:
    """Due at once when its link is up, and later with growing pauses; the link's return forgets the pauses."""

    def test_the_first_send_is_the_advice_and_every_later_one_its_repeat(self) -> None:
        saf, turn = opened(entry()), Turn(EPOCH)

        sent = []
        for now in (0.0, 100.0):
            sent.append(saf.sending(saf.due(now)[0], turn).mti)
            saf.unanswered("r1", now, turn)

        assert sent == ["0420", "0421"]

    def test_what_is_in_flight_is_not_due_again(self) -> None:
        saf = opened(entry())
        saf.due(0.0)

        assert saf.due(1_000.0) == []

    def test_pauses_double_up_to_their_maximum(self) -> None:
        saf, turn, pauses, now = opened(entry(), rules=RULES._replace(attempts_max=10)), Turn(EPOCH), [], 0.0
        for _ in range(6):
            saf.sending(saf.due(now)[0], turn)
            saf.unanswered("r1", now, turn)
            deadline = saf.deadline()
            assert deadline is not None
            pauses.append(deadline - now)
            now = deadline

        for pause, least in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True):
            assert least <= pause <= least * 1.2

    def test_the_same_history_gives_the_same_instants(self) -> None:
        deadlines = []
        for _ in range(2):
            saf = opened(entry())
            saf.sending(saf.due(0.0)[0], Turn(EPOCH))
            saf.unanswered("r1", 0.0, Turn(EPOCH))
            deadlines.append(saf.deadline())

        assert deadlines[0] == deadlines[1]

    def test_the_links_return_forgets_the_pauses(self) -> None:
        saf = opened(entry())
        saf.sending(saf.due(0.0)[0], Turn(EPOCH))
        saf.link_down("issuer-a")
        saf.unanswered("r1", 0.0, Turn(EPOCH))
        assert saf.due(1_000.0) == []

        saf.link_up("issuer-a")

        assert identifiers(saf.due(0.0)) == ["r1"]

    def test_entries_of_one_card_wait_for_each_other_and_for_nobody_else(self) -> None:
        saf = opened(entry("r1"), entry("r2"), entry("r3", card="9999000000000002"))

        first = identifiers(saf.due(0.0))
        saf.answered("r1", "00", 0.0, Turn(EPOCH))

        assert first == ["r1", "r3"]
        assert identifiers(saf.due(0.0)) == ["r2"]

    def test_a_dead_destination_blocks_no_other(self) -> None:
        saf = opened(entry("r1", link="issuer-b"), entry("r2"))

        assert identifiers(saf.due(0.0)) == ["r2"]

    def test_no_more_than_the_limit_are_in_flight(self) -> None:
        saf = opened(*(entry(f"r{number}", card=f"{number}") for number in range(5)))

        assert len(saf.due(0.0)) == 3

    @pytest.mark.parametrize("code", sorted(SafRules().retry_codes))
    def test_a_code_that_asks_for_patience_is_retried(self, code: str) -> None:
        saf = opened(entry())
        saf.sending(saf.due(0.0)[0], Turn(EPOCH))

        assert saf.answered("r1", code, 0.0, Turn(EPOCH)) is None
        assert identifiers(saf.due(100.0)) == ["r1"]


class Drain(RuleBasedStateMachine):
    """Under answers, silence, links that come and go, and restarts, entries end in order and none is lost."""

    links = ("issuer-a", "issuer-b")

    def __init__(self) -> None:
        super().__init__()
        self.saf = SafMachine(RULES)
        self.rows: dict[str, Row] = {}
        self.put_order: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.ended: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.flying: dict[str, SafEntry] = {}
        self.up: set[str] = set()
        self.now = 0.0
        self.number = 0

    def commit(self, turn: Turn) -> None:
        for row in turn.stored("saf"):
            self.rows[row[0]] = row

    @rule(link=st.sampled_from(links), card=st.sampled_from(["1111", "2222"]))
    def put(self, link: str, card: str) -> None:
        self.number += 1
        turn = Turn(EPOCH)

        self.saf.put(entry(f"r{self.number}", link, card), turn)

        self.put_order[link, card].append(f"r{self.number}")
        self.commit(turn)

    @rule(link=st.sampled_from(links))
    def link_up(self, link: str) -> None:
        self.saf.link_up(link)
        self.up.add(link)

    @precondition(lambda self: self.up)
    @rule(data=st.data())
    def link_down(self, data: st.DataObject) -> None:
        link = data.draw(st.sampled_from(sorted(self.up)))
        self.up.discard(link)
        self.saf.link_down(link)
        for identifier in [key for key, item in self.flying.items() if item.link == link]:
            self.land(identifier, None)

    @rule(seconds=st.sampled_from([0.0, 0.7, 5.0, 20.0]))
    def send(self, seconds: float) -> None:
        self.now += seconds
        for item in self.saf.due(self.now):
            turn = Turn(EPOCH)
            message = self.saf.sending(item, turn)
            self.commit(turn)

            assert item.link in self.up
            assert message.mti == ("0420" if item.attempts == 1 else "0421")
            assert self.put_order[item.link, item.card][len(self.ended[item.link, item.card])] == item.identifier
            self.flying[item.identifier] = item

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), code=st.sampled_from(["00", "25", "91", "12", None]))
    def answer(self, data: st.DataObject, code: str | None) -> None:
        self.land(data.draw(st.sampled_from(sorted(self.flying))), code)

    def land(self, identifier: str, code: str | None) -> None:
        turn = Turn(EPOCH)
        item = self.flying.pop(identifier)
        if code is None:
            ended = self.saf.unanswered(identifier, self.now, turn)
        else:
            ended = self.saf.answered(identifier, code, self.now, turn)
        self.commit(turn)
        if ended is not None:
            assert ended.state == ("done" if code in ("00", "25") else "dead")
            self.ended[item.link, item.card].append(identifier)

    @rule()
    def restart(self) -> None:
        self.saf = SafMachine(RULES)
        self.saf.restore(self.rows.values())
        self.flying = {}
        self.up = set()

    @invariant()
    def what_has_not_ended_is_kept(self) -> None:
        waiting = {
            identifier
            for key, order in self.put_order.items()
            for identifier in order
            if identifier not in self.ended[key]
        }

        assert set(self.saf.entries) == waiting
        assert {identifier for identifier, row in self.rows.items() if row[5] == "waiting"} == waiting

    @invariant()
    def entries_end_in_the_order_in_which_they_were_put(self) -> None:
        for key, ended in self.ended.items():
            assert self.put_order[key][: len(ended)] == ended

    @invariant()
    def what_may_be_sent_will_be(self) -> None:
        idle = [
            order[len(self.ended[link, card])]
            for (link, card), order in self.put_order.items()
            if link in self.up and len(order) > len(self.ended[link, card])
        ]
        idle = [identifier for identifier in idle if identifier not in self.flying]
        deadline = self.saf.deadline()
        has_room = len(self.flying) < RULES.in_flight_max

        ready = any(destination.ready for destination in self.saf._destinations.values())
        assert not (idle and has_room) or ready or deadline is not None


TestDrain = Drain.TestCase
