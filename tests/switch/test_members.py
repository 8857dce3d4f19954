"""Several acquirers, and links on which DE 11 is the switch's own."""

from __future__ import annotations

from iso import Message
from iso.original import OriginalData
from node.core.link import LinkMachine
from switch.config import IssuerLink, MemberLink, SwitchConfig
from switch.core.rules import SwitchRules
from switch.node import build_switch
from tests.support.switch import Bench, request, reversal

REWRITTEN = SwitchRules(rewrites_stan=frozenset({"issuer-a"}))


def codes(messages: list[Message]) -> list[str]:
    return [f"{message.mti}/{message.stan}/{message.response_code}" for message in messages]


class TestMembers:
    """Each member speaks on a link of its own; what one has done is not another's to copy or undo."""

    def bench(self) -> Bench:
        return Bench(up=("acquirer", "member-2", "issuer-a"))

    def test_an_answer_goes_to_the_member_that_asked(self) -> None:
        bench = self.bench()
        bench.receive("member-2", request("000007", de32="654321"))
        bench.open_card()

        bench.issuer_answers("00")

        assert codes(bench.sent("member-2")) == ["0110/000007/00"]
        assert bench.sent("acquirer") == []

    def test_nobody_reverses_what_another_member_has_bought(self) -> None:
        bench = self.bench()
        bench.forward(request())
        bench.issuer_answers("00")

        bench.receive("member-2", reversal(request()))

        assert codes(bench.sent("member-2")) == ["0430/000900/25"]
        assert bench.legs() == ["approved"]

    def test_nobody_learns_the_answer_to_another_members_request(self) -> None:
        bench = self.bench()
        bench.forward(request())
        bench.issuer_answers("00")

        bench.receive("member-2", request())

        assert codes(bench.sent("member-2")) == ["0110/000001/94"]

    def test_a_configuration_gives_every_member_a_link_and_its_place_among_the_keys(self) -> None:
        config = SwitchConfig(
            address="memory://switch",
            dialect="net-bin87",
            pin_format="iso0",
            members=(MemberLink(name="shop", address="memory://shop", dialect="ascii87", pin_format="iso4"),),
            issuers=(
                IssuerLink(name="bank", address="memory://bank", dialect="ascii87", bins=("4",), pin_format="iso3"),
            ),
        )

        machine = build_switch(config)

        assert [type(link) for link in machine.links.values()] == [LinkMachine] * 3
        assert {name: tuple(zone) for name, zone in config.rules().pins.items()} == {
            "acquirer": ("K900", "01"),
            "shop": ("K981", "48"),
            "bank": ("KB00", "47"),
        }


class TestRewrittenStans:
    """The issuer sees numbers of the switch, the acquirer its own; DE 90 names what the issuer saw."""

    def test_the_answer_has_the_acquirers_number_again(self) -> None:
        bench = Bench(REWRITTEN)
        bench.forward(request("000777"))

        bench.issuer_answers("00")

        assert bench.sent("issuer-a")[0].stan == "000001"
        assert codes(bench.sent("acquirer")) == ["0110/000777/00"]

    def test_a_reversal_names_the_original_as_the_issuer_saw_it(self) -> None:
        bench = Bench(REWRITTEN)
        bench.forward(request("000777"))
        bench.issuer_answers("00")
        bench.receive("acquirer", reversal(request("000777")))

        bench.open_card()

        asked, undone = bench.sent("issuer-a")
        assert OriginalData.from_de90(undone[90]) == OriginalData.of(asked)
        assert (asked.stan, undone.stan) == ("000001", "000002")

    def test_no_number_is_used_twice_not_even_after_a_restart(self) -> None:
        bench = Bench(REWRITTEN)
        bench.forward(request("000777"))
        bench.issuer_answers("00")
        again = bench.restart()
        again.pass_time(1.0)

        again.forward(request("000778", de7="0314092700"))

        assert again.sent("issuer-a")[0].stan == "001001"

    def test_other_issuers_see_the_acquirers_numbers(self) -> None:
        bench = Bench(SwitchRules(rewrites_stan=frozenset({"issuer-b"})))

        bench.forward(request("000777"))

        assert bench.sent("issuer-a")[0].stan == "000777"
