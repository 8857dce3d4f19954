"""What a fault does to bytes, and in which order messages then cross."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import RemoteProtocolError, decode, dialect, encode, framing
from iso.translate import to_1993
from node.core.faults import Action, Fault, Strike
from node.core.faults.chance import Chance
from node.core.faults.damage import altered, on_the_line, spoiled
from node.core.faults.lane import Held, Lane, Later, Piece
from tests.support.nodes import authorisation

DIALECTS = ("ascii87", "ascii87-hex", "net-bin87", "pos-bcd87", "ebcdic93")
FRAMINGS = ("len2-be", "len2-le", "len4-ascii", "len2-bcd-inclusive", "len2-be+etx", "stx-etx", "stx-etx-lrc")


def frame_of(name: str) -> bytes:
    message = authorisation()
    return encode(to_1993(message, year=2026) if name.endswith("93") else message, dialect(name))


def struck_by(action: Action, seed: str = "", **more: object) -> Strike:
    fault = Fault("", "out", "", action, seed=seed)._replace(**more)  # type: ignore[arg-type]
    return Strike(action, fault=fault, chance=Chance(seed, "shape"))


class TestInsideTheMac:
    """STAN, MTI and bitmap are wrong as a peer's host would get them wrong; nothing else changes."""

    @pytest.mark.parametrize("name", DIALECTS)
    @given(seed=st.text(max_size=4))
    def test_another_stan(self, name: str, seed: str) -> None:
        frame = frame_of(name)

        wrong = decode(altered(frame, dialect(name), struck_by("wrong-stan", seed)), dialect(name))

        right = decode(frame, dialect(name))
        assert wrong.get(11) != right.get(11)
        assert wrong.get(11) != "000000"
        assert wrong.with_fields({11: right.get(11)}) == right

    @pytest.mark.parametrize("name", DIALECTS)
    def test_a_stan_and_an_mti_that_were_asked_for(self, name: str) -> None:
        frame, spoken = frame_of(name), dialect(name)
        mti = "1210" if name.endswith("93") else "0210"

        with_stan = altered(frame, spoken, struck_by("wrong-stan", value="424242"))
        with_mti = altered(frame, spoken, struck_by("wrong-mti", value=mti))

        assert decode(with_stan, spoken).get(11) == "424242"
        assert decode(with_mti, spoken) == decode(frame, spoken).with_fields({}, mti=mti)

    @pytest.mark.parametrize("name", DIALECTS)
    def test_another_class_if_no_mti_was_asked_for(self, name: str) -> None:
        wrong = decode(altered(frame_of(name), dialect(name), struck_by("wrong-mti")), dialect(name))

        assert wrong.mti_class == "2"

    @pytest.mark.parametrize("name", DIALECTS)
    @given(seed=st.text(max_size=4), value=st.sampled_from(["", "2", "3", "55", "64"]))
    def test_a_wrong_bitmap_makes_it_unreadable_by_one_bit(self, name: str, seed: str, value: str) -> None:
        frame = frame_of(name)

        wrong = altered(frame, dialect(name), struck_by("wrong-bitmap", seed, value=value))

        assert len(wrong) == len(frame)
        assert sum(one != other for one, other in zip(wrong, frame, strict=True)) == 1
        with pytest.raises(RemoteProtocolError):
            decode(wrong, dialect(name))

    def test_what_cannot_be_read_stays_as_it_is(self) -> None:
        assert altered(b"noise", dialect("ascii87"), struck_by("wrong-stan")) == b"noise"


class TestOutsideTheMac:
    """MAC, length and rest are wrong as a line would get them wrong."""

    @given(seed=st.text(max_size=4))
    def test_only_the_last_eight_bytes_are_another_mac(self, seed: str) -> None:
        frame = frame_of("net-bin87")

        wrong = spoiled(frame, struck_by("wrong-mac", seed))

        assert wrong[:-8] == frame[:-8]
        assert wrong[-8:] != frame[-8:]

    @pytest.mark.parametrize(("keep", "left"), [(0, 10), (7, 7), (20, 19), (99, 19)])
    def test_what_is_cut_off(self, keep: int, left: int) -> None:
        assert spoiled(bytes(range(20)), struck_by("truncate", keep=keep)) == bytes(range(left))

    @pytest.mark.parametrize("name", FRAMINGS)
    def test_dribbled_bytes_are_all_there(self, name: str) -> None:
        parts = on_the_line(b"0800", framing(name), struck_by("dribble"))

        assert {len(part) for part in parts} == {1}
        assert b"".join(parts) == framing(name).encode(b"0800")

    @pytest.mark.parametrize("name", FRAMINGS)
    @pytest.mark.parametrize("by", ["", "+5", "-3"])
    def test_a_wrong_length_is_not_what_the_framing_makes(self, name: str, by: str) -> None:
        (wrong,) = on_the_line(b"0800" * 3, framing(name), struck_by("wrong-length", value=by))

        right = framing(name).encode(b"0800" * 3)
        assert wrong != right
        assert b"0800" * 3 in wrong

    def test_garbage_is_as_long_as_the_frame_or_what_was_asked_for(self) -> None:
        (noise,) = on_the_line(b"0800", framing("len2-be"), struck_by("garbage", "1"))
        (other,) = on_the_line(b"0800", framing("len2-be"), struck_by("garbage", "2"))

        assert len(noise) == len(other) == 6
        assert noise != other
        assert on_the_line(b"0800", framing("len2-be"), struck_by("garbage", value="CAFE")) == (b"\xca\xfe",)

    def test_a_cut_in_the_middle_of_a_frame(self) -> None:
        assert on_the_line(b"0800", framing("len2-be"), struck_by("close", keep=3)) == (b"\x00\x040",)


class TestLanes:
    """What waits for others crosses in the order that its fault says, and never gets lost."""

    def names(self, pieces: object) -> str:
        assert isinstance(pieces, list)
        return "".join(piece.tag for piece in pieces)

    def lane(self) -> Lane:
        return Lane(framing("len2-be"))

    def piece(self, tag: str) -> Piece:
        return Piece(b"0800", tag)

    def test_reordered_it_is_overtaken(self) -> None:
        lane = self.lane()

        held = lane.struck(self.piece("a"), struck_by("reorder", behind=2))

        assert isinstance(held, Held)
        assert self.names(lane.crossing(self.piece("b"))) == "b"
        assert self.names(lane.crossing(self.piece("c"))) == "ca"
        assert lane.free(held.number) == []

    def test_coalesced_it_crosses_with_the_next_in_one_go(self) -> None:
        lane = self.lane()

        lane.struck(self.piece("a"), struck_by("coalesce"))

        assert self.names(lane.struck(self.piece("b"), struck_by("coalesce"))) == "ab"
        assert self.names(lane.crossing(self.piece("c"))) == "c"

    @pytest.mark.parametrize("action", ["reorder", "coalesce"])
    def test_without_another_it_crosses_alone(self, action: Action) -> None:
        lane = self.lane()
        held = lane.struck(self.piece("a"), struck_by(action, delay_s=0.5))

        assert isinstance(held, Held)
        assert held.after_s == 0.5
        assert self.names(lane.free(held.number)) == "a"
        assert self.names(lane.crossing(self.piece("b"))) == "b"

    def test_duplicated_it_crosses_as_often_as_it_says(self) -> None:
        assert self.names(self.lane().struck(self.piece("a"), struck_by("duplicate", copies=2))) == "aaa"

    def test_delayed_it_comes_again_with_the_rest_of_what_befalls_it(self) -> None:
        lane, strike = self.lane(), struck_by("duplicate")._replace(delay_s=2.0)

        later = lane.struck(self.piece("a"), strike)

        assert isinstance(later, Later)
        assert later.after_s == 2.0
        assert self.names(lane.struck(later.piece, later.strike)) == "aa"

    def test_delayed_in_order_it_makes_the_others_wait(self) -> None:
        pieces = self.lane().struck(self.piece("a"), Strike("delay", 2.0, in_order=True))

        assert isinstance(pieces, list)
        assert [piece.pause_s for piece in pieces] == [2.0]

    @given(
        actions=st.lists(st.sampled_from(["", "reorder", "coalesce", "duplicate"]), max_size=12),
        behind=st.integers(1, 4),
    )
    def test_nothing_is_lost_and_what_is_not_struck_keeps_its_order(self, actions: list[str], behind: int) -> None:
        lane, crossed, held = self.lane(), list[Piece](), list[int]()

        for number, action in enumerate(actions):
            piece = Piece(b"0800", number)
            if not action:
                crossed += lane.crossing(piece)
                continue
            more = {"behind": behind} if action == "reorder" else {}
            decided = lane.struck(piece, struck_by(action, **more))  # type: ignore[arg-type]
            if isinstance(decided, Held):
                held.append(decided.number)
            elif isinstance(decided, list):
                crossed += decided
        for number in held:
            crossed += lane.free(number)

        tags = [piece.tag for piece in crossed]
        plain = [number for number, action in enumerate(actions) if action in ("", "coalesce")]
        assert sorted(tags) == sorted(
            [*range(len(actions)), *(n for n, action in enumerate(actions) if action == "duplicate")]
        )
        assert [tag for tag in tags if actions[tag] == ""] == [n for n in plain if actions[n] == ""]
