"""Store-and-forward under any events in any order, beside a model that is too simple to be wrong.

The model keeps plain lists: what each card of each destination has waiting, what is out, and from when on each entry
may go. It says exactly which entries have to leave at every moment; the machine under test has queues, heaps and
counters to find the same ones fast. The rows of committed turns are the only thing that survives a restart.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iso import Message
from node.core.saf import SafEntry, SafMachine, SafRules
from node.core.turn import Row, Turn
from tests.support.links import EPOCH

RULES = SafRules(backoff_first_s=1.0, backoff_max_s=3.0, attempts_max=5, in_flight_max=2)
JITTER_MAX = 0.2
LINKS = ("issuer-a", "issuer-b")
CARDS = ("1111", "2222", "3333")
REPEAT = {"0120": "0121", "0220": "0221", "0420": "0421"}


class Item:
    """One entry as the model sees it."""

    def __init__(self, identifier: str, link: str, card: str, mti: str) -> None:
        self.identifier, self.link, self.card, self.mti = identifier, link, card, mti
        self.state = "waiting"
        self.was_sent = False
        self.attempts = 0
        self.is_out = False
        self.due_from = 0.0

    def entry(self) -> SafEntry:
        message = Message(self.mti, {2: self.card, 11: self.identifier[1:].zfill(6)})
        return SafEntry(self.identifier, self.link, self.card, message, EPOCH.isoformat())


class AnyOrder(RuleBasedStateMachine):
    """What leaves is what a list would let leave: in order, within limits, never early, never lost."""

    def __init__(self) -> None:
        super().__init__()
        self.saf = SafMachine(RULES)
        self.rows: dict[str, Row] = {}
        self.items: dict[str, Item] = {}
        self.queues: dict[tuple[str, str], list[Item]] = defaultdict(list)
        self.up: set[str] = set()
        self.asking: list[Item] = []
        self.now = 0.0

    # What the model knows

    def commit(self, turn: Turn) -> None:
        for row in turn.stored("saf"):
            self.rows[row[0]] = row

    def out(self, link: str | None = None) -> list[Item]:
        return [item for item in self.items.values() if item.is_out and link in (None, item.link)]

    def heads(self, link: str) -> list[Item]:
        """Return what stands first of its card on an open link and is not out."""
        if link not in self.up:
            return []
        return [queue[0] for (name, _), queue in self.queues.items() if name == link and queue and not queue[0].is_out]

    def in_state(self, state: str) -> set[str]:
        return {item.identifier for item in self.items.values() if item.state == state}

    # What happens

    @initialize(links=st.sets(st.sampled_from(LINKS)))
    def begin(self, links: set[str]) -> None:
        for link in sorted(links):
            self.link_up(link)

    @rule(
        link=st.sampled_from(LINKS),
        card=st.sampled_from(CARDS),
        mtis=st.lists(st.sampled_from(sorted(REPEAT)), min_size=1, max_size=3),
    )
    def put(self, link: str, card: str, mtis: list[str]) -> None:
        for mti in mtis:
            item, turn = Item(f"r{len(self.items) + 1}", link, card, mti), Turn(EPOCH)

            self.saf.put(item.entry(), turn)

            assert turn.stored("saf") == [item.entry().row()]
            self.items[item.identifier] = item
            self.queues[link, card].append(item)
            item.due_from = self.now
            self.commit(turn)

    @precondition(lambda self: self.in_state("waiting") | self.in_state("dead"))
    @rule(data=st.data())
    def put_again(self, data: st.DataObject) -> None:
        item = self.items[data.draw(st.sampled_from(sorted(self.in_state("waiting") | self.in_state("dead"))))]
        turn = Turn(EPOCH)

        self.saf.put(item.entry(), turn)

        assert turn.is_empty

    @rule(link=st.sampled_from(LINKS))
    def link_up(self, link: str) -> None:
        """A link comes up, or one more connection of a link that is up."""
        self.saf.link_up(link)

        self.up.add(link)
        for item in self.heads(link):
            item.due_from = self.now

    @precondition(lambda self: self.up)
    @rule(data=st.data(), is_noticed=st.booleans())
    def link_down(self, data: st.DataObject, is_noticed: bool) -> None:
        """A link goes; what was out on it is known to be lost, or its silence is noticed later."""
        link = data.draw(st.sampled_from(sorted(self.up)))

        self.saf.link_down(link)

        self.up.discard(link)
        for item in self.out(link) if is_noticed else []:
            self.land(item, None)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.3, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def sleep_until_the_next_is_due(self) -> None:
        """A node sleeps until the deadline it is told; nothing may be due without one."""
        self.take()
        deadline = self.saf.deadline()
        idle = [item for link in LINKS if len(self.out(link)) < RULES.in_flight_max for item in self.heads(link)]
        if idle:
            assert deadline is not None
            assert deadline == min(item.due_from for item in idle)
        if deadline is not None:
            assert deadline > self.now
            self.now = deadline
            self.take()

    @rule()
    def take(self) -> None:
        """Exactly those leave that a list would let leave; where there is no room for all, any of them."""
        may = {link: [item for item in self.heads(link) if item.due_from <= self.now] for link in LINKS}
        room = {link: RULES.in_flight_max - len(self.out(link)) for link in LINKS}

        taken = [self.items[entry.identifier] for entry in self.saf.due(self.now)]

        for link in LINKS:
            mine = [item for item in taken if item.link == link]
            assert set(mine) <= set(may[link])
            assert len(mine) == len(set(mine)) == min(len(may[link]), room[link])
        for item in taken:
            item.is_out = True
        self.asking += taken

    @precondition(lambda self: self.asking)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        """Entries leave in any order: the node may first have to ask somebody, as the switch asks its HSM."""
        self.leave(data.draw(st.sampled_from(self.asking)))

    def leave(self, item: Item) -> None:
        self.asking.remove(item)
        stored, turn = self.rows[item.identifier], Turn(EPOCH)

        message = self.saf.sending(self.saf.entries[item.identifier], turn)

        assert stored[5] == "waiting"
        assert message.mti == (REPEAT[item.mti] if item.was_sent else item.mti)
        assert message.fields == item.entry().message.fields
        item.was_sent = True
        item.attempts += 1
        self.commit(turn)
        assert self.rows[item.identifier][6] == item.attempts

    @precondition(lambda self: self.out())
    @rule(data=st.data(), code=st.sampled_from(["00", "25", "91", "12", None]))
    def answer(self, data: st.DataObject, code: str | None) -> None:
        self.land(self.items[data.draw(st.sampled_from(sorted(item.identifier for item in self.out())))], code)

    @precondition(lambda self: self.up and self.in_state("waiting"))
    @rule(code=st.sampled_from(["91", "12", None]), rounds=st.integers(1, 5))
    def nobody_takes_anything(self, code: str | None, rounds: int) -> None:
        """For some rounds all that leaves is refused or met with silence: pauses grow, and letters die."""
        for _ in range(rounds):
            self.sleep_until_the_next_is_due()
            for item in list(self.asking):
                self.leave(item)
            for item in self.out():
                self.land(item, code)

    @precondition(lambda self: any(not item.is_out for item in self.items.values()))
    @rule(data=st.data(), code=st.sampled_from(["00", "91", "12", None]))
    def answer_to_nothing(self, data: st.DataObject, code: str | None) -> None:
        """An answer for what is not out changes nothing: it may be late, or come twice."""
        name = data.draw(st.sampled_from(sorted(item.identifier for item in self.items.values() if not item.is_out)))
        turn = Turn(EPOCH)

        ended = self.settle(name, code, turn)

        assert ended is None
        assert turn.is_empty

    @precondition(lambda self: self.in_state("dead"))
    @rule(data=st.data())
    def resend(self, data: st.DataObject) -> None:
        item, turn = self.items[data.draw(st.sampled_from(sorted(self.in_state("dead"))))], Turn(EPOCH)

        entry = self.saf.resend(item.identifier, turn)

        assert entry is not None
        item.state, item.attempts = "waiting", min(item.attempts, 1)
        self.queues[item.link, item.card].append(item)
        item.due_from = self.now
        self.commit(turn)

    @rule()
    def restart(self) -> None:
        """Only rows survive, oldest first; whatever was out or asked for is due again."""
        self.saf = SafMachine(RULES)
        self.saf.restore(self.rows.values())

        self.up.clear()
        self.asking.clear()
        self.queues.clear()
        for item in self.items.values():
            item.is_out = False
            item.due_from = self.now
            if item.state == "waiting":
                self.queues[item.link, item.card].append(item)

    # How an attempt ends

    def settle(self, identifier: str, code: str | None, turn: Turn) -> SafEntry | None:
        if code is None:
            return self.saf.unanswered(identifier, self.now, turn)
        return self.saf.answered(identifier, code, self.now, turn)

    def land(self, item: Item, code: str | None) -> None:
        turn = Turn(EPOCH)

        ended = self.settle(item.identifier, code, turn)

        item.is_out = False
        if item in self.asking:
            self.asking.remove(item)
        queue = self.queues[item.link, item.card]
        if code in ("00", "25"):
            item.state = "done"
        elif code == "12" or item.attempts >= RULES.attempts_max:
            item.state = "dead"
        if item.state == "waiting":
            assert ended is None
            item.due_from = due_at(item, self.now)
            least_s = min(RULES.backoff_first_s * 2 ** max(item.attempts - 1, 0), RULES.backoff_max_s)
            assert self.now + least_s <= item.due_from <= self.now + least_s * (1 + JITTER_MAX)
        else:
            assert ended is not None
            assert turn.stored("saf") == [ended.row()]
            assert queue.pop(0) is item
            if queue:
                queue[0].due_from = self.now
        self.commit(turn)

    # What holds at every moment

    @invariant()
    def nothing_is_lost_in_memory_or_on_disk(self) -> None:
        assert set(self.saf.entries) == self.in_state("waiting")
        assert {name for name, row in self.rows.items() if row[5] == "waiting"} == self.in_state("waiting")

    @invariant()
    def dead_letters_are_visible_and_durable(self) -> None:
        assert set(self.saf.dead) == self.in_state("dead")
        assert {name for name, row in self.rows.items() if row[5] == "dead"} == self.in_state("dead")

    @invariant()
    def no_link_and_no_card_has_more_out_than_it_may(self) -> None:
        assert all(len(self.out(link)) <= RULES.in_flight_max for link in LINKS)
        assert set(Counter((item.link, item.card) for item in self.out()).values()) <= {1}


def due_at(item: Item, now: float) -> float:
    """Return from when on a machine without any history repeats `item`, if it is met with silence at `now`.

    The jitter rests on the entry and its attempts alone: a restart, or another machine, finds the same instant.
    """
    twin = SafMachine(RULES._replace(attempts_max=RULES.attempts_max + 1))
    row = item.entry().row()
    twin.restore([(*row[:6], item.attempts, row[7])])
    twin.link_up(item.link)
    twin.due(now)
    twin.unanswered(item.identifier, now, Turn(EPOCH))
    instant = twin.deadline()
    assert instant is not None
    return instant


TestAnyOrder = AnyOrder.TestCase
