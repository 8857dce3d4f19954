"""Key exchange: how the two sides of a link change a key that they share, without losing a message.

One side owns the keys: it makes a new one, sends it under the zone master key with its check value (0800/101), and uses
it as soon as the other has said yes. The other side accepts both keys from its yes on. It uses the new MAC key once it
has heard its peer under it: then the yes has arrived. A PIN key shows nothing of the kind, so it is used at once. The
key before is accepted for a grace time, which begins when the peer has been heard under the new one.

An offer whose answer is lost is sent again, the same key, until it is answered: only a refusal ends it. Every step is
durable before anything rests on it, and what a crash leaves half done is done again. Keys are in the HSM alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from hsm_sim.core.errors import OK, VERIFICATION_FAILED
from hsm_sim.protect import MacKeys
from hsm_sim.requests.keys import ExportKey, ImportKey, MakeKey, PlaceKey
from hsm_sim.zones.kinds import KeyKind, Zone
from hsm_sim.zones.messages import OfferedKey, control_of, key_fields, read_control, read_key
from hsm_sim.zones.rings import OFFERED, RECEIVED, REFUSED, TABLE, KeyRow, Ring
from hsm_sim.zones.rules import Exchanged, ExchangeOutcome, ZoneRules
from iso import Message, RemoteProtocolError
from node.core.host import Host
from node.core.link import Arrival
from node.core.session import KEY_CHANGE, KEY_REQUEST
from node.core.steps import UNKNOWN
from node.core.turn import Row, Turn

HSM = "hsm"
ASK_AGAIN = frozenset({"09", "19", "68", "90", "91", "92", "96"})
"""DE 39 that refuses nothing: the same key is offered again."""

_FORMAT_ERROR, _BAD_KEY, _NOT_SUPPORTED, _IN_PROGRESS, _MALFUNCTION = "30", "63", "40", "09", "96"
_DUE_AGAIN = timedelta(minutes=1)


class ZoneKeys:
    """The keys that a node shares with its neighbours; it joins the host as a companion.

    Parameters
    ----------
    host
        Whose links they are. Its port "hsm" is asked.
    zones
        The keys.
    macs
        Link to what its protector reads.
    """

    def __init__(
        self,
        host: Host,
        zones: Iterable[Zone],
        rules: ZoneRules | None = None,
        macs: Mapping[str, MacKeys] | None = None,
    ) -> None:
        self.rules = rules or ZoneRules()
        self._host = host
        self._errands = host.errands
        self._rings = {(zone.link, zone.kind): Ring(zone) for zone in zones}
        self._macs = dict(macs or {})
        self._unsettled: dict[tuple[str, KeyKind], Ring] = {}
        self._due_at: datetime | None = None
        self._wakes_at: float | None = None
        self._is_planned = self.rules.every is None or not self.rules.is_owner
        host.companions.append(self)
        host.restorers.append(self.restore)
        host.managers[KEY_CHANGE] = self.take if not self.rules.is_owner else self._refuse
        host.managers[KEY_REQUEST] = self.asked if self.rules.is_owner else self._refuse

    # Restart

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take the rows of a restart, before the first event; those of links that are gone are left alone."""
        for row in rows.get(TABLE, ()):
            key = KeyRow(*row)
            ring = next((one for one in self._rings.values() if key.identifier.startswith(_prefix(one.zone))), None)
            if ring is not None:
                ring.restore(key)
        for name, ring in self._rings.items():
            self._publish(ring)
            if not ring.is_settled:
                self._unsettled[name] = ring

    # What others ask

    def has(self, link: str, kind: KeyKind) -> bool:
        """Whether a key of this kind is shared on the link."""
        return (link, kind) in self._rings

    def pin_places(self, link: str, *, aes: bool = False) -> tuple[str, ...]:
        """Return where the PIN keys of a link lie that its peer may use now; ours to use is the first."""
        ring = self._rings.get((link, KeyKind.PIN_AES if aes else KeyKind.PIN))
        return () if ring is None else tuple(place for place, _ in ring.accepted())

    def view(self) -> list[dict[str, Any]]:
        """Return every key as it stands; JSON-able, check values only."""
        return [
            {
                "link": ring.zone.link,
                "kind": ring.zone.kind.value,
                "generation": ring.current.generation,
                "kcv": ring.current.kcv,
                "changed_at": ring.current.changed_at,
                "coming": ring.coming.state if ring.coming is not None else "",
                "old_accepted": ring.old is not None,
            }
            for ring in self._rings.values()
        ]

    async def exchange(self, link: str, kind: KeyKind) -> Exchanged:
        """Change a key now, as its owner; an offer that is still open is sent again.

        While the key before is still accepted there is no other change (`BUSY`): a third key would end its grace.
        """
        ring = self._rings.get((link, kind))
        if ring is None:
            return Exchanged(ExchangeOutcome.NO_SUCH_KEY)
        if ring.is_busy or ring.old is not None:
            return Exchanged(ExchangeOutcome.BUSY)
        if not self._host.links[link].is_up:
            return Exchanged(ExchangeOutcome.LINK_DOWN)
        ring.is_busy = True
        self._unsettled[link, kind] = ring
        try:
            return await self._offer(ring)
        finally:
            ring.is_busy = False
            ring.retry_at = self._errands.now + self.rules.retry_s

    async def request(self, link: str, kind: KeyKind) -> str:
        """Ask the owner of a link's keys for a new one; return DE 39, "" for silence. The key comes by itself."""
        answer = await self._errands.manage(link, KEY_REQUEST, control_of(kind), self.rules.answer_timeout_s)
        return answer.response_code if isinstance(answer, Message) else ""

    # Companion

    def link_up(self, link: str, now: float) -> None:
        """Offer again what is open; a grace time without proof counts from here."""
        for ring in self._unsettled.values():
            if ring.zone.link == link:
                ring.retry_at = now
                if ring.grace_ends_at is not None and not ring.zone.kind.is_mac:
                    ring.grace_ends_at = now + self.rules.grace_s

    def tick(self, now: float, turn: Turn) -> None:
        """Go on with every change that is under way, and begin those that business time has made due."""
        if not self._is_planned or (self._due_at is not None and turn.at >= self._due_at):
            self._plan(now, turn)
        if self._unsettled:
            for ring in list(self._unsettled.values()):
                self._settle(ring, now, turn)

    def deadline(self) -> float | None:
        """Return when `tick` next has work, as far as is known."""
        instants = [self._wakes_at]
        for ring in self._unsettled.values():
            if ring.is_busy:
                continue
            instants.append(ring.grace_ends_at)
            if self._may_start(ring):
                instants.append(ring.retry_at)
        return min((instant for instant in instants if instant is not None), default=None)

    # Managers

    async def take(self, arrival: Arrival) -> Message:
        """Take a key that the owner sends; refuse it if its check value does not fit (63)."""
        request = arrival.message
        try:
            offered = read_key(request)
        except RemoteProtocolError as error:
            self._errands.turn.note(arrival.link, "key refused", str(error))
            return request.reply(_FORMAT_ERROR)
        ring = self._rings.get((arrival.link, offered.kind))
        if ring is None:
            return request.reply(_NOT_SUPPORTED)
        if ring.is_busy:
            return request.reply(_IN_PROGRESS)
        ring.is_busy = True
        self._unsettled[arrival.link, offered.kind] = ring
        try:
            return request.reply(await self._taken(ring, offered), control_of(offered.kind))
        finally:
            ring.is_busy = False

    async def asked(self, arrival: Arrival) -> Message:
        """Take the wish for a new key: the kind that DE 53 names, or all; they follow."""
        request = arrival.message
        try:
            wanted = read_control(request)
        except RemoteProtocolError:
            return request.reply(_FORMAT_ERROR)
        rings = [ring for (link, kind), ring in self._rings.items() if link == arrival.link and wanted in (None, kind)]
        for ring in rings:
            self._want(ring, self._errands.now)
        return request.reply("00" if rings else _NOT_SUPPORTED)

    async def _refuse(self, arrival: Arrival) -> Message:
        return arrival.message.reply(_NOT_SUPPORTED)

    # The owner's side

    async def _offer(self, ring: Ring) -> Exchanged:
        offered = await (self._made(ring) if ring.coming is None else self._exported(ring))
        if offered is None or ring.coming is None:
            return Exchanged(ExchangeOutcome.HSM_FAILED)
        generation, zone = ring.coming.generation, ring.zone
        answer = await self._errands.manage(zone.link, KEY_CHANGE, key_fields(offered), self.rules.answer_timeout_s)
        code = answer.response_code if isinstance(answer, Message) else ""
        if not code or code in ASK_AGAIN:
            return Exchanged(ExchangeOutcome.UNANSWERED, code, generation, offered.kcv)
        if code != OK:
            ring.drop(self._errands.turn, REFUSED)
            ring.is_wanted = False
            self._publish(ring)
            self._note(ring, "key refused", f"generation {generation}, {offered.kcv}: answered {code}")
            return Exchanged(ExchangeOutcome.REFUSED, code, generation, offered.kcv)
        if not await self._activate(ring):
            return Exchanged(ExchangeOutcome.HSM_FAILED, code, generation, offered.kcv)
        # The peer waits for a message under the new key before it uses it.
        self._host.links[zone.link].echo(self._errands.now, self._errands.turn)
        return Exchanged(ExchangeOutcome.CHANGED, code, generation, offered.kcv)

    async def _made(self, ring: Ring) -> OfferedKey | None:
        zone, purpose = ring.zone, ring.zone.kind.purpose
        made = await self._ask(MakeKey(purpose.usage, purpose.algorithm, purpose.mode, zmk=zone.zmk))
        if made is None or not await self._prepare(ring, made.key, made.kcv, OFFERED):
            return None
        return OfferedKey(zone.kind, made.kcv, made.zmk_key[1:])

    async def _exported(self, ring: Ring) -> OfferedKey | None:
        exported = await self._ask(ExportKey(ring.zone.zmk, ring.zone.coming))
        return OfferedKey(ring.zone.kind, exported.kcv, exported.zmk_key[1:]) if exported is not None else None

    # The other side

    async def _taken(self, ring: Ring, offered: OfferedKey) -> str:
        coming = ring.coming
        if coming is not None and self._was_heard(ring, coming) and not await self._activate(ring):
            return _MALFUNCTION
        if offered.kcv == ring.current.kcv or (ring.coming is not None and offered.kcv == ring.coming.kcv):
            return OK  # Our yes was lost.
        if ring.old is not None:
            return _IN_PROGRESS
        imported = await self._errands.ask(HSM, ImportKey(ring.zone.zmk, f"R{offered.block}"), self.rules.hsm_timeout_s)
        if imported is UNKNOWN:
            return _MALFUNCTION
        if imported.code not in (OK, VERIFICATION_FAILED) or imported.kcv != offered.kcv:
            self._note(ring, "key refused", f"{offered.kcv}: its block or its check value is not right")
            return _BAD_KEY
        if not await self._prepare(ring, imported.key, offered.kcv, RECEIVED):
            return _MALFUNCTION
        if not ring.zone.kind.is_mac and not await self._activate(ring):
            return _MALFUNCTION
        return OK

    def _was_heard(self, ring: Ring, key: KeyRow) -> bool:
        is_shown = ring.zone.kind.is_mac
        return not is_shown or self._host.links[ring.zone.link].heard_generation >= key.generation

    # Both

    async def _prepare(self, ring: Ring, key: str, kcv: str, state: str) -> bool:
        """Put the next key beside the one in use, and a copy of that where it will lie when it is old."""
        kept = await self._ask(PlaceKey(ring.zone.old, ring.zone.place, replace=True))
        if kept is None or await self._ask(PlaceKey(ring.zone.coming, key, replace=True)) is None:
            return False
        ring.comes(kcv, kept.kcv, state, self._errands.turn)
        self._publish(ring)
        self._note(ring, "key " + state, f"generation {ring.accepted()[1][1]}, {kcv}")
        return True

    async def _activate(self, ring: Ring) -> bool:
        """Put the next key in the place of the one in use; done twice, it changes nothing."""
        assert ring.coming is not None
        if await self._ask(PlaceKey(ring.zone.place, ring.zone.coming, replace=True)) is None:
            return False
        ring.activate(self._errands.turn)
        if not ring.zone.kind.is_mac:
            ring.grace_ends_at = self._errands.now + self.rules.grace_s
        self._publish(ring)
        self._note(ring, "key in use", f"generation {ring.current.generation}, {ring.current.kcv}")
        self._unplan()
        return True

    async def _take_up(self, ring: Ring) -> None:
        """Use a key that was sent to us: the peer does."""
        ring.is_busy = True
        try:
            await self._activate(ring)
        finally:
            ring.is_busy = False
            ring.retry_at = self._errands.now + self.rules.retry_s

    def _settle(self, ring: Ring, now: float, turn: Turn) -> None:
        if ring.is_busy:
            return
        coming = ring.coming
        if coming is not None and coming.state == RECEIVED:
            if self._was_heard(ring, coming) and now >= ring.retry_at:
                self._errands.start(self._take_up(ring))
        elif self._may_start(ring):
            if now >= ring.retry_at:
                self._errands.start(self.exchange(ring.zone.link, ring.zone.kind))
        elif ring.old is not None:
            self._let_go(ring, now, turn)
        elif ring.is_settled:
            del self._unsettled[ring.zone.link, ring.zone.kind]

    def _may_start(self, ring: Ring) -> bool:
        is_open = ring.is_wanted or (ring.coming is not None and ring.coming.state == OFFERED)
        return is_open and ring.old is None and self._host.links[ring.zone.link].is_up

    def _let_go(self, ring: Ring, now: float, turn: Turn) -> None:
        """Count the grace time of the key before, and end it."""
        if ring.grace_ends_at is None:
            if self._was_heard(ring, ring.current):
                ring.grace_ends_at = now + self.rules.grace_s
        elif now >= ring.grace_ends_at:
            ring.retire(turn)
            self._publish(ring)

    def _plan(self, now: float, turn: Turn) -> None:
        """Want every key whose time is up, and find out when the next one's is."""
        self._is_planned = True
        every = self.rules.every
        if every is None:
            return
        dues = []
        for ring in self._rings.values():
            if not ring.current.changed_at:
                ring.begin(turn)
            due_at = datetime.fromisoformat(ring.current.changed_at) + every
            if due_at <= turn.at and ring.coming is None:
                self._want(ring, now)
            dues.append(max(due_at, turn.at + _DUE_AGAIN))
        self._due_at = min(dues, default=None)
        if self._due_at is not None:
            self._wakes_at = now + (self._due_at - turn.at).total_seconds()

    def _unplan(self) -> None:
        self._is_planned = self.rules.every is None or not self.rules.is_owner

    def _want(self, ring: Ring, now: float) -> None:
        ring.is_wanted = True
        ring.retry_at = now
        self._unsettled[ring.zone.link, ring.zone.kind] = ring

    def _publish(self, ring: Ring) -> None:
        macs = self._macs.get(ring.zone.link)
        if macs is not None and ring.zone.kind.is_mac:
            macs.accepted = ring.accepted()

    def _note(self, ring: Ring, kind: str, detail: str) -> None:
        self._errands.turn.note(ring.zone.link, kind, f"{ring.zone.kind.value}: {detail}")

    async def _ask(self, request: Any) -> Any:
        """Ask the HSM; None if it refuses or says nothing."""
        answer = await self._errands.ask(HSM, request, self.rules.hsm_timeout_s)
        return answer if answer is not UNKNOWN and answer.code == OK else None


def _prefix(zone: Zone) -> str:
    return f"{zone.link}/{zone.kind.value}/"
