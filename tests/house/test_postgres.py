"""A house whose banks keep their books on a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import pytest
import stripe

from emulator.cli import main
from emulator.topology import Topology, default_text, read_topology
from iso import ConfigError
from node.control import ControlError
from tests.support.books import held_minor, totals
from tests.support.house import running_house
from tests.support.postgres import BANKS, PASSWORD, PostgresServer
from tests.support.processes import ProcessHouse, process_house, with_databases

pytestmark = pytest.mark.house


def pay(client: stripe.StripeClient, amount: int, method: str = "pm_card_visa") -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        {"amount": amount, "currency": "usd", "payment_method": method, "confirm": True}
    )


class TestBanksOnPostgres:
    """A node of banks may keep its books in a schema of a database server; nobody else notices."""

    def test_a_checkout_passes_and_is_declined_where_it_should_be(
        self, tmp_path: Path, postgres: PostgresServer
    ) -> None:
        topology = _topology(tmp_path, postgres.databases())
        with running_house(tmp_path, topology) as house:
            paid = pay(house.stripe(), 1999)
            with pytest.raises(stripe.CardError) as declined:
                pay(house.stripe(), 1999, "pm_card_chargeDeclinedInsufficientFunds")

            assert paid.status == "succeeded"
            assert declined.value.code == "card_declined"
            assert held_minor(house.control) == 1999
            assert set(totals(house.control).values()) == {0}
        assert {file.name for file in tmp_path.glob("*.db")} >= {"switch.db", "gateway.db"}
        assert not [file for file in ("acquirer.db", "issuer-a.db", "issuer-b.db") if (tmp_path / file).exists()]

    def test_the_ledgers_are_audited_where_they_are(
        self, tmp_path: Path, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with running_house(tmp_path, _topology(tmp_path, {"issuer-a": postgres.url()})) as house:
            pay(house.stripe(), 1999)
            words = ["ledger", "verify", "--data-dir", str(tmp_path)]

            assert main(words) == 1
            assert "issuer-a: its books are not in this folder" in capsys.readouterr().out
            assert main([*words, "--topology", str(tmp_path / "topology.toml")]) == 0
            said = capsys.readouterr().out
            assert [f"{bank}: whole" in said for bank in BANKS] == [True] * 3
            assert PASSWORD not in said
            assert pay(house.stripe(), 1999).status == "succeeded"

    def test_text_that_a_server_cannot_store_is_refused_and_stops_nobody(
        self, tmp_path: Path, postgres: PostgresServer
    ) -> None:
        with running_house(tmp_path, _topology(tmp_path, postgres.databases())) as house:
            script = {"when": "rrn == '\0'", "code": "05"}
            with pytest.raises(ControlError) as refused:
                house.control.call("POST", "issuer-a", "bank/scripts", "cards:write", script)

            assert refused.value.status == 422
            assert pay(house.stripe(), 1999).status == "succeeded"

    @pytest.mark.process
    def test_kill_9_and_a_restart_keep_everything(self, tmp_path: Path, postgres: PostgresServer) -> None:
        with process_house(tmp_path, databases=postgres.databases()) as house:
            paid = [pay(house.stripe(), 1000), pay(house.stripe(), 2500, "pm_card_mastercard")]
            before = _books(house)

            house.kill()
            house.start()

            assert [house.stripe().v1.payment_intents.retrieve(intent.id).status for intent in paid] == [
                "succeeded"
            ] * 2
            assert _books(house) == before
            assert pay(house.stripe(), 700).status == "succeeded"
            control = house.control()
            assert held_minor(control) == 4200
            assert set(totals(control).values()) == {0}
            control.close()


class TestTheSetting:
    """`database` is checked before anything starts, and its password is in no message."""

    @pytest.mark.parametrize(
        ("databases", "says"),
        [
            ({"issuer-a": "mysql://bank:{}@db/house"}, "expected postgresql://"),
            ({"issuer-a": "postgresql://bank:{}@db:port/house"}, "expected postgresql://"),
            ({"acquirer": "postgresql://bank:{}@db/house?schema=A;B"}, "schema: 1 to 63"),
            ({"switch": "postgresql://bank:{}@db/house"}, "only the banks"),
            (
                {
                    "issuer-a": "postgresql://bank:{}@db/house",
                    "issuer-b": "postgresql://other:{}@db/house?schema=public",
                },
                "cannot share a schema",
            ),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, tmp_path: Path, databases: dict[str, str], says: str) -> None:
        with pytest.raises(ConfigError) as refused:
            _topology(tmp_path, {bank: url.format(PASSWORD) for bank, url in databases.items()})

        assert says in str(refused.value)
        assert PASSWORD not in str(refused.value)

    def test_an_ephemeral_house_has_no_server(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        _topology(tmp_path, {"acquirer": f"postgresql://bank:{PASSWORD}@db/house"})

        code = main(["up", "--ephemeral", "--topology", str(tmp_path / "topology.toml")])

        said = capsys.readouterr().err
        assert code == 2
        assert "nodes.acquirer.database = 'postgresql://db/house?schema=public'" in said
        assert PASSWORD not in said

    def test_a_topology_does_not_show_the_password(self, tmp_path: Path) -> None:
        topology = _topology(tmp_path, {"issuer-a": f"postgresql://bank:{PASSWORD}@db/house"})

        assert PASSWORD not in repr(topology)
        assert PASSWORD not in repr(topology.nodes.issuer_a.server)
        assert topology.nodes.issuer_a.server is not None
        assert PASSWORD in topology.nodes.issuer_a.server.dsn


def _topology(folder: Path, databases: dict[str, str]) -> Topology:
    file = folder / "topology.toml"
    file.write_text(with_databases(default_text(), databases))
    return read_topology(file)


def _books(house: ProcessHouse) -> dict[str, object]:
    control = house.control()
    try:
        state = {issuer: control.state(issuer) for issuer in ("issuer-a", "issuer-b")}
    finally:
        control.close()
    return {
        issuer: (sorted(map(str, found["accounts"])), sorted(map(str, found["holds"])))
        for issuer, found in state.items()
    }
