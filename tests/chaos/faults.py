"""Every fault by a short name for the command line, in the order in which a run goes through them."""

from tests.chaos.fault import Fault
from tests.chaos.faults_disk import DiskFull
from tests.chaos.faults_processes import (
    AllWorkersKill,
    ApiKill,
    RollingRestart,
    WorkerFreeze,
    WorkerHang,
    WorkerKill,
    WrongClock,
)
from tests.chaos.faults_redis import RedisCut, RedisFreeze, RedisFull, RedisKill
from tests.chaos.faults_traffic import BadReceivers, DuplicateMessages, Poison, VanishingClients

# Faults that take workers and faults that need quiet leases lie together, so that a run waits for leases seldom.
FAULTS: dict[str, Fault] = {
    "worker-kill": WorkerKill(),
    "api-kill": ApiKill(),
    "vanish": VanishingClients(),
    "duplicates": DuplicateMessages(),
    "rolling": RollingRestart(),
    "redis-kill": RedisKill(),
    "redis-freeze": RedisFreeze(),
    "redis-full": RedisFull(),
    "disk-full": DiskFull(),
    "redis-cut": RedisCut(),
    "webhooks": BadReceivers(),
    "worker-freeze": WorkerFreeze(),
    "clock": WrongClock(),
    "workers-kill": AllWorkersKill(),
    "poison": Poison(),
    "hang": WorkerHang(),
}


def named(names: str) -> list[Fault]:
    """Return the faults of a comma separated list, all of them for `all`; raises ValueError for a name unknown."""
    if names == "all":
        return list(FAULTS.values())
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in FAULTS]
    if unknown:
        raise ValueError(f"no fault is called {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    return [FAULTS[name] for name in chosen]
