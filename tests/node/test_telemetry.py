"""Whatever is logged, no card number and no secret leaves the process."""

from __future__ import annotations

import io
import json

import pytest
import structlog

from node.telemetry import configure

PAN = "4242424242424242"


@pytest.fixture
def logged() -> io.StringIO:
    stream = io.StringIO()
    configure(as_json=True, stream=stream)
    return stream


class TestMasking:
    """Masking is the last processor: text, nested values, exceptions and secret keys."""

    @pytest.mark.parametrize(
        "value",
        [PAN, f"card {PAN} refused", {"deep": [{"pan_of": PAN}]}, (PAN, [PAN]), PAN.encode(), int(PAN)],
    )
    def test_a_card_number_is_never_written(self, logged: io.StringIO, value: object) -> None:
        structlog.get_logger().info("something", value=value)

        assert PAN not in logged.getvalue()
        assert json.loads(logged.getvalue())["event"] == "something"

    def test_a_card_number_in_a_traceback_is_masked(self, logged: io.StringIO) -> None:
        try:
            raise ValueError(PAN)
        except ValueError:
            structlog.get_logger().exception("failed")

        assert "ValueError" in logged.getvalue()
        assert PAN not in logged.getvalue()

    def test_secret_keys_are_hidden(self, logged: io.StringIO) -> None:
        structlog.get_logger().info("x", cvc="123", secret_key="sk_test_1", nested={"PIN": "1234"})

        line = json.loads(logged.getvalue())
        assert (line["cvc"], line["secret_key"], line["nested"]["PIN"]) == ("***", "***", "***")
