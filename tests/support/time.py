"""Virtual time: tests under trio's MockClock let it pass instead of waiting for it."""

from __future__ import annotations

import anyio
import trio


async def let_pass(seconds: float) -> None:
    """Let virtual time pass; everything due on the way happens in its order, and no real time goes by."""
    assert trio.lowlevel.current_clock().__class__.__name__ == "MockClock"
    with anyio.move_on_after(seconds):
        await anyio.sleep_forever()
