"""What keeps a running stream from stumbling: real-time priority where it is allowed, and nothing that stops Python."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CALLBACK_PRIORITY = 20
HELPER_PRIORITY = 10
SWITCH_S = 0.5e-3
"""How long one Python thread may hold up the others: a part of the shortest block."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep Python itself quiet while a stream runs.

    Notes
    -----
    What lives at the start is not looked at by the garbage collector, which would stop the audio for tens of
    milliseconds; threads that compute hand over to the callback within half a millisecond.
    """
    switch_s = sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(min(switch_s, SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(switch_s)
        gc.unfreeze()


def raise_priority(priority: int = CALLBACK_PRIORITY) -> bool:
    """Give the calling thread real-time priority; False where the system does not allow it.

    Parameters
    ----------
    priority : int
        1..99; that of a callback lies above that of the threads which read and write for it.

    Notes
    -----
    Linux only (round robin); the limit ``rtprio`` must allow it, as it does for members of the group ``audio`` on many
    systems. A thread that has a real-time priority already keeps it.
    """
    if not hasattr(os, "sched_setscheduler"):
        return False
    if os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR):
        return True
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    except OSError:
        return False
    return True


@contextmanager
def helping() -> Iterator[None]:
    """Let the calling thread run before all others but the audio, for a while, where the system allows it.

    Notes
    -----
    A thread that holds Python's lock and is then put aside for another program's sake holds up the callback as well.
    """
    before = os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None
    raised = raise_priority(HELPER_PRIORITY)
    try:
        yield
    finally:
        if raised and before is not None and before not in (os.SCHED_FIFO, os.SCHED_RR):
            os.sched_setscheduler(0, before, os.sched_param(0))
