"""What `/emu/v1` takes and answers, as pydantic models: unknown members are refused, and every model has an example."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from node.house_clock import AMOUNT

NAME = r"^[a-z0-9-]{1,64}$"
NodeName = Annotated[str, StringConstraints(pattern=NAME)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,80}$")]
Cursor = Annotated[
    str, StringConstraints(pattern=r"^([a-z0-9-]{1,64}:[0-9]{1,15}(,[a-z0-9-]{1,64}:[0-9]{1,15}){0,15})?$")
]
INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$"
Instant = Annotated[str, StringConstraints(pattern=INSTANT)]
Resource = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
Scope = Literal["none", "read", "write"]


def _whole(value: Any) -> Any:
    """Take 3.0 for 3: to JSON they are the same number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]


class Wanted(BaseModel):
    """A body: strict, and nothing unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Asked(BaseModel):
    """A query: nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """An answer; what a node adds in a later version passes through."""

    model_config = ConfigDict(extra="allow")


class Silent(BaseModel):
    """A node that did not answer, and why."""

    node: str
    reason: str


class TracesAsked(Asked):
    """`GET /traces`: newest first."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: int | None = Field(default=None, ge=1, le=2**53, description="`next_cursor` of the page before.")
    account: str | None = Field(default=None, pattern=r"^acct_\w{1,60}$")
    method: Literal["GET", "POST", "DELETE"] | None = None
    status: int | None = Field(default=None, ge=100, le=599)


class HsmShown(BaseModel):
    """One command to the HSM: its code and the answer's, never their values."""

    at: str
    command: str
    code: str | None = Field(description="null: it did not answer in time")
    latency_ms: float


class RequestShown(BaseModel):
    """An HTTP request at `/v1`, masked."""

    request: str
    trace: str
    account: str | None
    at: str
    method: str
    path: str
    status: int
    latency_ms: float
    subject: str | None = Field(description="Id of the object that was answered.")
    error: str | None = Field(description="`type` and `code` of the error.")
    params: Any = Field(description="Parameters, masked; null if they could not be read.")
    hsm: list[HsmShown]


class TracePage(BaseModel):
    """Requests, newest first; each opened a trace."""

    data: list[RequestShown]
    next_cursor: int | None


class StepShown(Shown):
    """One step of a trace; what else it has depends on `step`: docs/reference/emu-api.md."""

    step: Literal["http", "hsm", "iso8583", "decision", "remark", "ledger"]
    at: str
    node: str


class TraceShown(BaseModel):
    """Everything that happened for a request or a payment, in order."""

    id: str
    traces: list[str]
    steps: list[StepShown]
    silent: list[Silent] = Field(description="Nodes that did not answer: what they know is missing.")


class TextAsked(Asked):
    """`GET /traces/{id}/text`."""

    bytes: bool = Field(default=False, description="With the masked bytes of each message.")


class MessagesAsked(Asked):
    """`GET /messages`: what crossed the links, in order of time."""

    node: NodeName | None = None
    link: NodeName | None = None
    direction: Literal["in", "out", "note"] | None = None
    mti: str | None = Field(default=None, pattern=r"^[0-9]{4}$")
    stan: str | None = Field(default=None, pattern=r"^[0-9]{6}$")
    rrn: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{1,12}$")
    trace: str | None = Field(default=None, pattern=r"^[A-Za-z0-9]{1,64}$")


class MessagePageAsked(MessagesAsked):
    """A page of `GET /messages`."""

    since: Instant | None = None
    until: Instant | None = None
    limit: int = Field(default=100, ge=1, le=1_000)
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")
    newest: bool = Field(default=False, description="Without a cursor: begin with the newest `limit` messages.")


class MessageShown(Shown):
    """A message, or with `direction` note a remark, at one end of a link; card numbers are 6+4."""

    sequence: int
    at: str
    node: str
    link: str
    direction: Literal["in", "out", "note"]


class MessagePage(BaseModel):
    """Messages in order of time. `next_cursor` goes on behind them, also with what will cross later."""

    data: list[MessageShown]
    has_more: bool
    next_cursor: str
    silent: list[Silent]


class CardShown(BaseModel):
    """A test card: what its issuer does with it. `names` stand for it on `/v1`."""

    number: str = Field(description="Masked.")
    names: list[str]
    expiry: str
    cvc: str
    issuer: str
    about: str


class CardList(BaseModel):
    """The test cards."""

    data: list[CardShown]


class LinkShown(Shown):
    """A link of a node and its counters."""

    name: str
    is_up: bool


class HostShown(BaseModel):
    """A node: whether it answers, whether all its links are signed on, and its links."""

    node: str
    is_up: bool
    is_ready: bool
    links: list[LinkShown]
    counters: dict[str, int]
    reason: str | None = None


class HostList(BaseModel):
    """Every node of the house."""

    data: list[HostShown]


class ClockShown(BaseModel):
    """The business clock of one node."""

    node: str
    now: str
    offset_s: float
    version: int


class ClockList(BaseModel):
    """The business clocks of the house; `agree` is true if all of them have the same offset and all have answered."""

    data: list[ClockShown]
    agree: bool
    silent: list[Silent]


class AdvanceWanted(Wanted):
    """How far business time goes on: `90s`, `30m`, `36h`, `1d`, `2w`, or `2bd` business days."""

    by: str = Field(pattern=AMOUNT, max_length=8)


class FaultList(BaseModel):
    """The faults of one node: armed, and those that struck, in order."""

    node: str
    armed: list[dict[str, Any]]
    fired: list[dict[str, Any]]


class FaultsShown(BaseModel):
    """The faults of the house."""

    data: list[FaultList]
    silent: list[Silent]


class FaultArmed(BaseModel):
    """A fault as its node understood it."""

    node: str
    fault: dict[str, Any]


class NodesDone(BaseModel):
    """At which nodes something was done."""

    done: list[str]
    silent: list[Silent]


class KeysAsked(Asked):
    """`GET /keys`."""

    account: Identifier


class KeyWanted(Wanted):
    """A new API key of a merchant. Scopes are for restricted keys: resource to none, read or write."""

    account: Identifier
    kind: Literal["secret", "publishable", "restricted"]
    name: str = Field(default="", max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")
    scopes: dict[Resource, Scope] = Field(default_factory=dict, max_length=50)
    expires_in_s: Whole | None = Field(default=None, ge=1, le=10 * 366 * 86_400)


class RollWanted(Wanted):
    """For how long the old key goes on working, seconds of wall time."""

    overlap_s: Whole = Field(default=0, ge=0, le=7 * 86_400)


class KeyShown(BaseModel):
    """An API key: what may be shown of it. Instants are Unix seconds; those of a key's life are wall time."""

    id: str
    object: Literal["api_key"]
    account: str
    created: int
    expires_at: int | None
    hint: str
    kind: str
    last_used_at: int | None
    name: str
    revoked_at: int | None
    rolled_to: str | None
    scopes: dict[str, str]
    status: Literal["active", "expired", "revoked"]


class KeyMade(KeyShown):
    """A new API key with its text, which is shown this once."""

    secret: str


class KeyList(BaseModel):
    """The keys of an account, oldest first, the dead ones included."""

    data: list[KeyShown]


class DutiesAsked(Asked):
    """`GET /duties`: the oldest first. `open`: still being brought; `refused`: nobody will take it as it is."""

    state: Literal["open", "refused"] = "refused"
    limit: int = Field(default=100, ge=1, le=1_000)


class ResendWanted(Wanted):
    """A message to send again; `send` as the list shows it."""

    send: str = Field(pattern=r"^[A-Za-z0-9_]{1,80}(/[a-z0-9]{1,20}){1,8}$")


class DutyShown(BaseModel):
    """A message that the acquirer has to take, without its card."""

    send: str
    kind: Literal["capture", "void", "refund"]
    state: Literal["open", "refused", "done"]
    attempts: int
    at: str = Field(description="Wall time: when it is tried next; of what was refused, since when it is.")
    code: str | None = Field(description="DE 39 of the refusal; null unless it was refused.")
    account: str
    payment: str = Field(description="Payment or setup intent.")
    charge: str
    amount: int = Field(description="Minor units.")
    currency: str = Field(description="Numeric.")
    stan: str
    rrn: str | None
    trace: str


class DutyList(BaseModel):
    """What is owed."""

    data: list[DutyShown]


class SeedWanted(Wanted):
    """What to make for a merchant: customers, each with a card, and payments of theirs in turn.

    Each payment is made with the next of the test cards that have names, so that some are declined.
    """

    account: Identifier
    customers: Whole = Field(default=0, ge=0, le=100)
    payments: Whole = Field(default=10, ge=0, le=100)
    amount: Whole = Field(default=1_999, ge=100, le=999_999)


class SeedShown(BaseModel):
    """What was made: ids of customers and payments, and how many payments ended in which status or decline code."""

    customers: list[str]
    payments: list[str]
    statuses: dict[str, int]


class ResetWanted(Wanted):
    """What to put back: provoked `faults` of all nodes, scripted outcomes (`scripts`) of issuers, or `everything`."""

    what: list[Literal["faults", "scripts", "everything"]] = Field(
        default=["faults", "scripts"], min_length=1, max_length=3
    )


class KeptShown(BaseModel):
    """What a reset leaves as it is, and why."""

    what: str
    because: str


class ResetShown(BaseModel):
    """What was put back, where, and what cannot be."""

    reset: dict[str, list[str]] = Field(description="What, to the nodes where it was done.")
    kept: list[KeptShown]
    silent: list[Silent]
