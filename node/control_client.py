"""The typed client of control ports: commands, tests and the console use it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from iso.errors import CardrailsError
from node.clock import Wall, wall_clock
from node.control_access import OPERATOR, Scope, service_token
from node.core.faults import Fault, Fired

KEYS_WAIT_S = 60.0
"""An exchange waits for the HSM and for the peer, each as long as the settings say."""
TIMEOUT_S = 10.0
"""For an answer, beside what a call itself waits for."""


class ControlError(CardrailsError):
    """A control call was refused or found nobody. `status` is that of the answer, 0 without one."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ControlClient:
    """The typed client of control ports; `urls` gives each node's port, so one process or six look the same."""

    def __init__(self, urls: Mapping[str, str], secret: str, wall: Wall = wall_clock, subject: str = OPERATOR) -> None:
        self._urls = dict(urls)
        self._subject = subject
        self._secret = secret
        self._wall = wall
        self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def nodes(self) -> list[str]:
        """The nodes this client can reach, by name."""
        return list(self._urls)

    def answers(self, node: str) -> bool:
        """Whether a node's control port answers at all."""
        try:
            return self._http.get(f"{self._urls[node]}/nodes/{node}/health").status_code == 200
        except httpx.TransportError:
            return False

    def ready(self, node: str) -> bool:
        """Whether a node answers and all its links are signed on."""
        try:
            return self._http.get(f"{self._urls[node]}/nodes/{node}/ready").status_code == 200
        except httpx.TransportError:
            return False

    def state(self, node: str) -> dict[str, Any]:
        """Return a node's summary."""
        return self.call("GET", node, "state", "read")

    def messages(self, node: str, after: int = 0, limit: int = 1000, **wanted: str | None) -> list[dict[str, Any]]:
        """Return what crossed a node's links, oldest first, masked.

        Parameters
        ----------
        wanted
            rrn, stan, trace, mti, link, direction, since, until; `newest="1"` takes the newest of them.
        """
        return self.wait_messages(node, after, limit, 0, **wanted)[0]

    def wait_messages(
        self, node: str, after: int, limit: int = 1000, wait_s: int = 0, **wanted: str | None
    ) -> tuple[list[dict[str, Any]], int]:
        """Return messages as `messages` does, waiting up to `wait_s` seconds for the first; and the newest sequence."""
        asked = {"after": after, "limit": limit, "wait_s": wait_s, **{k: v for k, v in wanted.items() if v is not None}}
        found = self.call("GET", node, f"messages?{urlencode(asked)}", "read", wait_s=wait_s)
        return list(found["messages"]), int(found["last"])

    def traces_of(self, node: str, payment: str) -> list[str]:
        """Return the trace ids of a payment that a gateway made."""
        return list(self.call("GET", node, f"payments/{quote(payment, safe='')}/traces", "read")["traces"])

    def requests_of(self, node: str, what: str) -> dict[str, Any]:
        """Return the `requests` (HTTP, masked) that a gateway has of a name, and their `traces`.

        Parameters
        ----------
        what
            Request id, trace id, or the id of a payment, charge, refund or any other object.
        """
        return self.call("GET", node, f"requests/{quote(what, safe='')}", "read")

    def commands(self, node: str, party: str, since: str, until: str) -> list[dict[str, Any]]:
        """Return the commands that a party gave an HSM between two instants of business time (ISO 8601), oldest first.

        Each has `at`, `party`, `command`, `code` (None: not answered) and `latency_ms`.
        """
        asked = urlencode({"party": party, "since": since, "until": until})
        return list(self.call("GET", node, f"commands?{asked}", "read")["commands"])

    def verify(self, node: str, assertion: str, *, after: int = 0, wait_s: float = 0) -> dict[str, Any]:
        """Judge an assertion; see `node.core.verify`.

        Parameters
        ----------
        after
            Only messages with a higher sequence count.
        wait_s
            How long the assertion itself may take.
        """
        return self.call("POST", node, "verify", "read", {"assertion": assertion, "after": after}, wait_s=wait_s)

    def metrics(self, node: str) -> str:
        """Return a node's counters as Prometheus text."""
        return self._answer("GET", node, "metrics", "read", None, 0).text

    def business_time(self, node: str) -> datetime:
        """Return a node's business time."""
        return datetime.fromisoformat(self.call("GET", node, "clock", "read")["now"])

    def clock(self, node: str) -> dict[str, Any]:
        """Return a node's business time: `now` (ISO 8601), `offset_s` ahead of the wall, and the offset's `version`."""
        return self.call("GET", node, "clock", "read")

    def agree(self, node: str, offset_s: float, version: int) -> dict[str, Any]:
        """Give a node's clock the offset of its house; the same again changes nothing."""
        return self.call("POST", node, "clock", "operate", {"offset_s": offset_s, "version": version})

    def advance(self, node: str, by: timedelta) -> datetime:
        """Move a node's business time forward; return it."""
        answer = self.call("POST", node, "clock", "operate", {"advance_s": by.total_seconds()})
        return datetime.fromisoformat(answer["now"])

    def empty(self, node: str) -> list[str]:
        """Have the process of a node begin again, empty; return the names of its nodes."""
        return list(self.call("POST", node, "reset", "operate")["emptied"])

    def add_fault(self, node: str, fault: Fault) -> None:
        """Arm a fault on one of a node's links."""
        self.provoke(node, fault._asdict())

    def provoke(self, node: str, fault: Mapping[str, Any]) -> dict[str, Any]:
        """Arm a fault of the node's own kind; return it as the node understood it."""
        return self.call("POST", node, "faults", "operate", dict(fault))

    def calm(self, node: str) -> None:
        """Disarm every fault of a node."""
        self.call("DELETE", node, "faults", "operate")

    def armed(self, node: str) -> list[dict[str, Any]]:
        """Return the faults that are armed, of the node's own kind, each with the times that are left."""
        return list(self.call("GET", node, "faults", "read")["armed"])

    def faults_fired(self, node: str) -> list[Fired]:
        """Return what struck on a node's links, in order."""
        return [Fired(**fired) for fired in self.struck(node)]

    def struck(self, node: str) -> list[dict[str, Any]]:
        """Return the faults that struck, of the node's own kind, in order."""
        return list(self.call("GET", node, "faults", "read")["fired"])

    def routes(self, node: str = "switch") -> dict[str, Any]:
        """Return the routes of a switch that are in force."""
        return self.call("GET", node, "routes", "read")

    def explain_route(self, asked: Mapping[str, object], node: str = "switch") -> dict[str, Any]:
        """Explain where a request would go; `asked` as in docs/reference/routing.md."""
        return self.call("POST", node, "route", "read", dict(asked))

    def reload_routes(self, routing: Mapping[str, object], node: str = "switch") -> dict[str, Any]:
        """Put other routes in force; all of them or, if anything is wrong with them, none."""
        return self.call("PUT", node, "routes", "operate", dict(routing))

    def saf(self, node: str, state: str = "all", link: str | None = None, limit: int = 1000) -> list[dict[str, Any]]:
        """Return a node's store-and-forward entries: "waiting", "dead" or "all"."""
        asked = {"state": state, "limit": limit} | ({} if link is None else {"link": link})
        return list(self.call("GET", node, f"saf?{urlencode(asked)}", "read")["entries"])

    def resend(self, node: str, identifier: str | None = None) -> list[str]:
        """Let one dead entry, or all of a node's, be sent again; return their identifiers."""
        wanted = {"all": True} if identifier is None else {"identifier": identifier}
        return list(self.call("POST", node, "saf/resend", "operate", wanted)["resent"])

    def totals(self, node: str, member: str | None = None, day: str | None = None) -> dict[str, Any]:
        """Return a switch's settlement date and totals; see `switch.core.totals`."""
        asked = {name: value for name, value in (("member", member), ("date", day)) if value is not None}
        return self.call("GET", node, f"totals?{urlencode(asked)}", "read")

    def cut_over(self, node: str) -> str:
        """Begin a switch's next settlement date; return it (ISO 8601)."""
        return str(self.call("POST", node, "cut-over", "operate")["date"])

    def rotate_vault(self, node: str, kind: str) -> dict[str, Any]:
        """Begin to change a key of a vault, or end the change; return how far the changes are."""
        return self.call("POST", node, "vault/rotate", "operate", {"kind": kind})

    def vault_rotation(self, node: str) -> dict[str, Any]:
        """Return how far the changes of a vault's keys are."""
        return self.call("GET", node, "vault", "read")

    def link_keys(self, node: str) -> list[dict[str, Any]]:
        """Return the keys that a node shares on its links; see `hsm_sim.zones.keeper.ZoneKeys.view`."""
        return list(self.call("GET", node, "keys", "read")["keys"])

    def exchange_key(self, node: str, link: str, kind: str) -> dict[str, Any]:
        """Have a key of a link changed; return what came of it."""
        return self.call("POST", node, "keys/exchange", "operate", {"link": link, "kind": kind}, wait_s=KEYS_WAIT_S)

    def call(
        self, method: str, node: str, path: str, scope: Scope, body: object = None, *, wait_s: float = 0
    ) -> dict[str, Any]:
        """Call a route of a node that answers JSON.

        Raises
        ------
        ControlError
            The node is not known here, its port does not answer within ten seconds and `wait_s`, or it refuses.
        """
        return dict(self._answer(method, node, path, scope, body, wait_s).json())

    def _answer(self, method: str, node: str, path: str, scope: Scope, body: object, wait_s: float) -> httpx.Response:
        if node not in self._urls:
            raise ControlError(f"{node}: not a node of this house; there are {', '.join(self._urls)}")
        token = service_token(self._secret, node, scope, self._wall, self._subject)
        headers = {"authorization": f"Bearer {token}"}
        url, status = f"{self._urls[node]}/nodes/{node}/{path}", 0
        try:
            answer = self._http.request(method, url, headers=headers, json=body, timeout=TIMEOUT_S + wait_s)
        except httpx.TransportError as error:
            failure = f"{node}: its control port does not answer ({type(error).__name__})"
        else:
            if answer.is_success:
                return answer
            failure, status = f"{node}: {_reason(answer)}", answer.status_code
        raise ControlError(failure, status)


def _reason(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code} {answer.json()['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.text[:200]}"
