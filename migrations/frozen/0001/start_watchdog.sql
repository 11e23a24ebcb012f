create or replace function modelpack.start_watchdog() returns void
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
as $modelpack$
import _thread
import ctypes
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

# from plpython/libraries.py
@contextmanager
def no_signals() -> Iterator[None]:
    """Threads that are started within must never receive the backend's signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

if "modelpack_watch" in GD:
    return
watch = GD["modelpack_watch"] = [0, None, None, 0.1]
backend = time.pthread_getcpuclockid(_thread.get_ident())
pending = []  # flags of the server that its signal handlers set; it acts on them when the model has returned
for flag in ("QueryCancelPending", "ProcDiePending"):
    try:
        pending.append(ctypes.c_int.in_dll(ctypes.CDLL(None), flag))
    except (OSError, ValueError):
        continue  # then the time budget alone bounds how long a cancel waits
# The backend holds Python's lock while it is not in Python: the waiting thread should ask for it seldom.
# It gets it as soon as a model runs, and that is all that it needs.
sys.setswitchinterval(1.0)

def look() -> None:
    seen, used, since = -1, 0.0, 0.0
    while True:
        time.sleep(watch[3])
        armed = watch[1]
        if armed is None:
            seen = -1
        elif watch[0] != seen:
            seen, used, since = watch[0], time.clock_gettime(backend), time.monotonic()
        else:
            options, budget = armed
            if any(flag.value for flag in pending):
                watch[2] = "cancel"
            elif time.clock_gettime(backend) - used >= budget or time.monotonic() - since >= 20 * budget:
                watch[2] = "time"
            options.terminate = watch[2] is not None

with no_signals():
    _thread.start_new_thread(look, ())
$modelpack$;
comment on function modelpack.start_watchdog() is
  'Starts, once a session, the thread that ends a model which has used its time budget. modelpack.load calls it.';
revoke all on function modelpack.start_watchdog() from public;
