"""Whether others compute on this machine just now, so that what is timed says little about it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import NamedTuple

# Seconds that are looked back on. The system counts in hundredths of a second.
_LEAST, _MOST = 0.1, 3.0
# Of the threads' time, what must have been free for them.
_FREE = 0.8


class Moment(NamedTuple):
    """What had been computed by then, in seconds since some beginning.

    Attributes:
        time: on the wall.
        own: of all cores, by this process.
        every: of all cores, by anybody.
    """

    time: float
    own: float
    every: float


_lock = threading.Lock()
_seen: deque[Moment] = deque(maxlen=64)


def look() -> Moment:
    """Take note of this moment, for :func:`disturbed` to look back on."""
    import psutil

    spent = psutil.cpu_times()._asdict()
    # What virtual machines were given is counted under "user" as well.
    working = sum(spent.values()) - sum(
        spent.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice")
    )
    now = Moment(time.monotonic(), time.process_time(), working)
    with _lock:
        _seen.append(now)
    return now


def disturbed(threads: int) -> bool:
    """Whether less than ``threads`` cores have been free for this process of late; False where nothing is known.

    That is since the first :func:`look` within the last three seconds.
    """
    now = look()
    with _lock:
        before = [each for each in _seen if _LEAST <= now.time - each.time <= _MOST]
    return bool(before) and not free_for(threads, before[0], now, cores=os.cpu_count() or 1)


def free_for(threads: int, first: Moment, last: Moment, *, cores: int) -> bool:
    """Whether so many of the cores were free for this process, between two moments."""
    others = (last.every - first.every) - (last.own - first.own)
    return cores - others / (last.time - first.time) >= _FREE * min(threads, cores)
