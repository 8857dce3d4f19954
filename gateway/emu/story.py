"""One payment over the whole house: HTTP requests, HSM commands, messages, remarks and postings, in order.

The gateway says which requests there were, every node which messages crossed its links, each bank what it has in its
books. All of it comes through the control ports, masked. It imports no web framework: the command line uses it, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from gateway.core.timeline import Steps, in_order
from gateway.core.trail import View, follow_names
from node.bank_client import BankClient
from node.control_client import ControlClient, ControlError

TRACES_MAX = 20
"""Traces of one payment that are followed; the newest."""
STATEMENT_PAGES_MAX = 5
STATEMENT_LINES = 200
"""A posting is looked for among that many pages of the newest entries of an account, of so many lines."""
_NO_BANK = 404
_DECISION = ("at", "mti", "code", "reason", "because", "amount_minor", "currency")
Kept: TypeAlias = tuple[str, str, dict[str, Any]]
"""A bank, the name under which it was asked for a payment, and what it has stored."""
_GATEWAY, _HSM = "gateway", "hsm"
WINDOWS_MAX = 60
"""Stretches of work of one payment for which the HSM is asked; the first."""


class Story(NamedTuple):
    """What was found.

    Attributes
    ----------
    traces
        Ids of the traces, oldest first.
    requests
        HTTP requests with their HSM commands; see `gateway.core.request_rows.shown`.
    messages, remarks
        See `gateway.core.trail.Trail`.
    commands
        What the other nodes asked of the HSM, each with its `node`: between a message that came in and the next that
        went out. They are joined by time, so that of a busy node those of other payments are among them.
    decisions
        What the issuers answered, and which of their rules said so, each with its `node`.
    postings
        Ledger entries at the banks, each with its `node`.
    silent
        Nodes that did not answer, each with the reason: what they know is missing.
    """

    traces: list[str]
    requests: list[View]
    messages: list[View]
    remarks: list[View]
    commands: list[View]
    decisions: list[View]
    postings: list[View]
    silent: dict[str, str]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept of it."""
        return not (self.requests or self.messages)

    def steps(self) -> Steps:
        """Return everything that happened, in order; see `gateway.core.timeline`."""
        return in_order(self.requests, self.messages, self.remarks, self.commands, self.decisions, self.postings)


def tell(client: ControlClient, nodes: Sequence[str], wanted: str | dict[str, str]) -> Story:
    """Collect what is known of a payment.

    Parameters
    ----------
    nodes
        Whom to ask.
    wanted
        A name that the gateway knows (request id, trace id, `pi_...`, `ch_...`, `re_...`), or one of `rrn`, `stan`,
        `trace` by itself.

    Returns
    -------
    Story
        Empty if nobody knows the name.
    """
    teller = _Teller(client, nodes)
    names: list[dict[str, str]]
    if isinstance(wanted, str):
        traces, requests = teller.requests(wanted)
        names = [{"trace": trace} for trace in traces]
    else:
        traces, requests, names = [], [], [wanted]
    messages, remarks = teller.trail(names)
    if not isinstance(wanted, str):
        traces = list(dict.fromkeys(message["trace"] for message in messages if message["trace"]))
        known = [row for trace in traces[-TRACES_MAX:] for row in teller.requests(trace)[1]]
        requests = sorted(known, key=lambda row: row["at"])
    commands, kept = teller.commands(messages), teller.kept(messages)
    decisions, postings = _decisions(kept), teller.postings(kept)
    return Story(traces, requests, messages, remarks, commands, decisions, postings, teller.silent)


class _Teller:
    """Asks the nodes of a house, and remembers who did not answer."""

    def __init__(self, client: ControlClient, nodes: Sequence[str]) -> None:
        self._client = client
        self._banks = BankClient(client)
        self._nodes = list(nodes)
        self.silent: dict[str, str] = {}

    def requests(self, name: str) -> tuple[list[str], list[View]]:
        """Return the trace ids of a name, and its HTTP requests."""
        if _GATEWAY in self._client.nodes:
            try:
                found = self._client.requests_of(_GATEWAY, name)
            except ControlError as error:
                self.silent[_GATEWAY] = str(error)
            else:
                return list(found["traces"])[-TRACES_MAX:], list(found["requests"])
        return [], []

    def trail(self, names: Sequence[dict[str, str]]) -> tuple[list[View], list[View]]:
        """Return messages and remarks of all names, each once."""
        messages: dict[tuple[str, int], View] = {}
        remarks: dict[tuple[str, int], View] = {}
        for name in names:
            found = follow_names(self._ask, self._nodes, name)
            messages |= {(one["node"], one["sequence"]): one for one in found.messages}
            remarks |= {(one["node"], one["sequence"]): one for one in found.remarks}
        place = {node: index for index, node in enumerate(self._nodes)}
        ordered = sorted(messages.values(), key=lambda one: (one["at"], place[one["node"]], one["sequence"]))
        return ordered, sorted(remarks.values(), key=lambda one: (one["at"], one["node"], one["sequence"]))

    def commands(self, messages: Sequence[View]) -> list[View]:
        """Return what the nodes other than the gateway asked of the HSM while they worked on some messages."""
        if _HSM not in self._nodes:
            return []
        found: dict[tuple[str, ...], View] = {}
        for node, since, until in _windows(messages):
            try:
                asked = self._client.commands(_HSM, node, since, until)
            except ControlError as error:
                self.silent[_HSM] = str(error)
                break
            for number, one in enumerate(asked):
                shown = {name: value for name, value in one.items() if name != "party"}
                found[node, one["at"], str(number)] = {"node": node, **shown, "joined": "time"}
        return sorted(found.values(), key=lambda one: (one["at"], one["node"]))

    def kept(self, messages: Sequence[View]) -> list[Kept]:
        """Return what the banks have stored about the payments of some messages."""
        rrns = {rrn for message in messages if (rrn := message["fields"].get("37", "").strip())}
        places = {message["node"] for message in messages}
        nodes = [node for node in self._nodes if node in places]
        kept = [(node, rrn, found) for node in nodes for rrn in sorted(rrns) if (found := self._payment(node, rrn))]
        # An issuer knows a payment by the name that the acquirer's institution, DE 37 and DE 41 give it.
        names = {row["payment"] for _, _, found in kept for row in found.get("requests", []) if row.get("payment")}
        return kept + [
            (node, name, found) for node in nodes for name in sorted(names) if (found := self._payment(node, name))
        ]

    def postings(self, kept: Sequence[Kept]) -> list[View]:
        """Return the entries that some payments made in the banks' books."""
        undone = {(node, row["at"][:19]): row["at"] for node, row in _rows(kept) if row.get("effect") == "undo"}
        entries: dict[tuple[str, int], View] = {}
        for node, name, found in kept:
            instants = _instants(found)
            for account, references, since in _accounts(name, found):
                for entry in self._entries(node, account, references, since):
                    exact = instants.get(entry["reference"]) or instants.get(_opened_hold(entry), entry["at"])
                    entries.setdefault((node, entry["sequence"]), {**entry, "at": exact})
        return _settled(sorted(entries.values(), key=lambda entry: (entry["node"], entry["sequence"])), undone)

    def _payment(self, node: str, reference: str) -> dict[str, Any]:
        try:
            found = self._banks.payment(node, reference)
        except ControlError as error:
            self._missed(node, error)
            return {}
        return found if any(found.values()) else {}

    def _entries(self, node: str, account: str, references: set[str], since: str) -> list[View]:
        found: list[View] = []
        before = ""
        for _ in range(STATEMENT_PAGES_MAX):
            try:
                page = self._banks.statement(node, account, STATEMENT_LINES, before)
            except ControlError as error:
                self._missed(node, error)
                break
            lines = page["entries"]
            found += [{**line, "node": node, "account": account} for line in lines if line["reference"] in references]
            before = page["next"] or ""
            # Entries have whole seconds, so those of the payment's first second still count.
            if not before or not lines or lines[-1]["at"][:19] < since[:19]:
                break
        return found

    def _ask(self, node: str, **wanted: Any) -> list[View]:
        if node in self.silent:
            return []
        try:
            return self._client.messages(node, newest="1", **wanted)
        except ControlError as error:
            self.silent[node] = str(error)
        return []

    def _missed(self, node: str, error: ControlError) -> None:
        """Note that a bank did not answer; a node that is none, or knows nothing of the name, has."""
        if error.status != _NO_BANK:
            self.silent[node] = str(error)


def _rows(kept: Sequence[Kept]) -> list[tuple[str, View]]:
    return [(node, row) for node, _, found in kept for row in found.get("requests", [])]


def _decisions(kept: Sequence[Kept]) -> list[View]:
    """Return what the issuers decided: a bank that gives a reason is one."""
    shown = [
        {"node": node, **{name: row[name] for name in _DECISION}}
        for node, row in _rows(kept)
        if row.get("reason") and row["mti"]
    ]
    return sorted(shown, key=lambda one: (one["at"], one["node"]))


def _windows(messages: Sequence[View]) -> list[tuple[str, str, str]]:
    """Return when the nodes were at work: from each message that came in to the next that went out there."""
    began: dict[str, str] = {}
    windows: list[tuple[str, str, str]] = []
    for message in messages:
        node = message["node"]
        if message["direction"] == "in":
            began.setdefault(node, message["at"])
        elif node in began and node != _GATEWAY:
            windows.append((node, began.pop(node), message["at"]))
    return windows[:WINDOWS_MAX]


def _instants(found: dict[str, Any]) -> dict[str, str]:
    """Return exact instants that a bank has of its entries: by reference of a capture or refund, and by hold.

    An entry knows its second; the row that was written in the same turn knows the microsecond.
    """
    cleared = {f"{row['kind']}/{row['arn']}": row["at"] for row in found.get("clearings", [])}
    return cleared | {f"hold {row['hold']}": row["at"] for row in found.get("requests", []) if row.get("hold")}


def _opened_hold(entry: View) -> str:
    return f"hold {entry['hold']}" if entry["kind"] == "hold" else ""


def _settled(entries: list[View], undone: Mapping[tuple[str, str], str]) -> list[View]:
    """Give an entry that knows its second only the instant of the next one in its book, if that is of this second.

    What a turn does to a hold (void, then hold anew) stands together. A void that nothing follows is a reversal's:
    `undone` has their instants by node and second.
    """
    for earlier, later in zip(entries[-2::-1], entries[:0:-1], strict=True):
        is_near = (earlier["node"], earlier["at"][:19]) == (later["node"], later["at"][:19])
        if is_near and "." not in earlier["at"]:
            earlier["at"] = later["at"]
    for entry in entries:
        if entry["kind"] == "void" and "." not in entry["at"]:
            entry["at"] = undone.get((entry["node"], entry["at"][:19]), entry["at"])
    return sorted(entries, key=lambda entry: (entry["at"], entry["node"], entry["sequence"]))


def _accounts(name: str, found: dict[str, Any]) -> list[tuple[str, set[str], str]]:
    """Return in which accounts to look for the entries of a payment, under which references, and since when."""
    wanted: dict[str, tuple[set[str], str]] = {}

    def add(account: str, references: set[str], at: str) -> None:
        known, since = wanted.get(account, (set[str](), at))
        wanted[account] = (known | references, min(since, at))

    for row in found.get("clearings", []):
        references = {f"{kind}/{row['arn']}" for kind in ("capture", "refund", "reversal", "remainder")}
        add(f"merchant/{row['merchant']}/pending/{row['currency']}", references, row["at"])
    for row in found.get("requests", []):
        if row.get("account"):
            add(row["account"], {name}, row["at"])
    return [(account, references, since) for account, (references, since) in wanted.items()]
