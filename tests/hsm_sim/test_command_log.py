"""The latest commands of an HSM: found by party and time, by their codes alone, and forgotten in the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hsm_sim.command_log import KEPT, LIMIT_MAX, CommandLog

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
EVER = (EPOCH - timedelta(days=1), EPOCH + timedelta(days=1))


def log(*parties: str) -> CommandLog:
    made = CommandLog(4)
    for number, party in enumerate(parties):
        made.note(EPOCH + timedelta(seconds=number), 1500, party, [b"0001ZC4242424242424242"], [b"0001ZD00SECRET"])
    return made


class TestCodesAlone:
    """Of a command its two characters are kept, of an answer its code; of neither anything else."""

    def test_what_is_kept(self) -> None:
        assert log("gateway").find("gateway", *EVER, 10) == [
            {
                "at": "2026-03-14T09:26:53.000000+00:00",
                "party": "gateway",
                "command": "ZC",
                "code": "00",
                "latency_ms": 1.5,
            }
        ]

    def test_a_command_without_an_answer_has_no_code(self) -> None:
        made = CommandLog(4)

        made.note(EPOCH, 1, "switch", [b"0001ZE", b"0002ZE"], [b""])

        assert [one["code"] for one in made.find("switch", *EVER, 10)] == [None]

    def test_whatever_is_in_a_frame_is_shown_as_text(self) -> None:
        made = CommandLog(4)

        made.note(EPOCH, 1, "open", [b"", b"0001\xff\x00"], [b"", b"0001\xff\x00\xfe"])

        assert [one["command"] for one in made.find("open", *EVER, 10)] == ["", "\xff\x00"]


class TestFinding:
    """One party, between two instants, oldest first."""

    def test_others_and_other_times_are_left_out(self) -> None:
        made = log("switch", "issuer-a", "switch", "switch")
        since, until = EPOCH + timedelta(seconds=1), EPOCH + timedelta(seconds=2)

        assert [one["at"][17:19] for one in made.find("switch", since, until, 10)] == ["55"]

    def test_a_limit_counts(self) -> None:
        made = log(*["switch"] * (LIMIT_MAX + 5))

        assert len(made.find("switch", *EVER, 2)) == 2
        assert len(made.find("switch", *EVER, 10 * LIMIT_MAX)) == LIMIT_MAX

    def test_the_oldest_are_forgotten(self) -> None:
        made = CommandLog(4)
        made.note(EPOCH, 1, "first", [b"0001ZC"], [b"0001ZD00"])

        made.note(EPOCH, 1, "switch", [b"0001ZC"] * KEPT, [b"0001ZD00"] * KEPT)

        assert made.find("first", *EVER, 10) == []
