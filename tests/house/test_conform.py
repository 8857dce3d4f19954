"""The shipped suites are played against our own nodes, and every case passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.conform import SubjectHouse, house_under_test, printed

pytestmark = pytest.mark.house


@pytest.fixture(scope="module", params=["ascii87", "ebcdic93"])
def house(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[SubjectHouse]:
    with house_under_test(tmp_path_factory.mktemp("conform"), request.param) as running:
        yield running


class TestOurSwitch:
    """We play its acquirer and its issuer."""

    def test_all_ten_cases_pass(self, house: SubjectHouse, capsys: pytest.CaptureFixture[str]) -> None:
        code = house.play_switch("--json")

        report = printed(capsys)
        assert [(case["name"], case["why"]) for case in report["cases"] if case["verdict"] != "passed"] == []
        assert report["summary"]["passed"] == 10
        assert code == 0


class TestOurIssuers:
    """We play the switch that asks them."""

    @pytest.mark.parametrize(
        ("node", "dialect", "cards"),
        [
            ("issuer-a", "ascii87", []),
            (
                "issuer-b",
                "ebcdic93",
                ["--set", "pan=5555555555554444", "--set", "poor_pan=5454545454545454", "--set", "decline_code=14"],
            ),
        ],
    )
    def test_all_cases_pass_but_the_one_that_needs_macs(
        self, house: SubjectHouse, capsys: pytest.CaptureFixture[str], node: str, dialect: str, cards: list[str]
    ) -> None:
        house.play_issuer(node, dialect, "--json", *cards)

        report = printed(capsys)
        failed = [(case["name"], case["why"]) for case in report["cases"] if case["verdict"] == "failed"]
        skipped = [case["name"] for case in report["cases"] if case["verdict"] == "skipped"]
        assert failed == []
        assert skipped == ["bad MAC"]
