"""The disk that Redis and the files lie on is full for a while."""

import asyncio
import time
from typing import Any

from tests.chaos.batches import start_batch
from tests.chaos.fault import Chaos, SkippedError

FULL_S = 8.0
FILL_INTERVAL_S = 0.05
BATCH_ITEMS = 100


class DiskFull:
    """No block is left: Redis cannot append, gateways cannot keep uploads, workers cannot write batches."""

    name = "disk full 8 s"
    needs_leases_quiet = True

    async def inject(self, chaos: Chaos) -> None:
        """Fill the disk, have somebody upload a batch meanwhile, and make room again."""
        disk = chaos.cluster.disk
        if disk is None or disk.why_not is not None:
            raise SkippedError(f"no small disk could be mounted: {disk.why_not if disk else 'the run has none'}")
        refused_before = chaos.caller.tally.refused_503
        await asyncio.to_thread(disk.fill)
        uploading = asyncio.create_task(start_batch(chaos.caller, BATCH_ITEMS, f"cash, {time.monotonic()}"))
        chaos.batches.append((uploading, BATCH_ITEMS))
        until_s = time.monotonic() + FULL_S
        while time.monotonic() < until_s:
            await asyncio.sleep(FILL_INTERVAL_S)
            await asyncio.to_thread(disk.fill)
        client: Any = chaos.cluster.store.client
        state = (await asyncio.to_thread(client.info, "persistence"))["aof_last_write_status"]
        refused = chaos.caller.tally.refused_503 - refused_before
        if state == "ok" or not refused:
            chaos.faults.append(f"the full disk was not felt: Redis says {state}, {refused} requests were refused")
        disk.clear()
