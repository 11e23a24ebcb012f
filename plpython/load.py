"""modelpack.load: the cold path. Brings a version into this session's cache, checked by its hash."""

import collections
import hashlib
import sys
from typing import Any

from modelpack.packager.sessions import open_session
from plpython import source_of
from plpython.breaker import Broken
from plpython.computed import compute
from plpython.libraries import give_back_memory, importing, no_signals, put_wheels_first
from plpython.loaded import Loaded

SQL = """\
create or replace function modelpack.load(version_id integer) returns void
language plpython3u volatile security invoker
set search_path = pg_catalog, pg_temp
-- whoever calls may have them otherwise: a catalogue of a few rows would then look costly enough for a compiler
set enable_seqscan = on
set jit = off
as $modelpack$
{body}
$modelpack$;
comment on function modelpack.load(integer) is
  'Brings a version into the session: reads its bytes or its formula, checks their hash, makes an onnxruntime session of one thread or a function of Python. What fails is remembered for a second (later for longer, up to ten), so that a broken model costs little.';
revoke all on function modelpack.load(integer) from public;
"""


LIMIT = 16  # versions in a session


class UnfitError(Exception):
    """What the catalog says of a version that must not be loaded."""


def read(plpy: Any, version_id: int) -> Any:
    """The row of a version and all that bounds its runs; its bytes have passed the gate and have their hash."""
    found = plpy.execute(
        "select v.signature, i.batch_rows, i.onnxruntime, f.engine, f.formula, coalesce(f.sha256, v.sha256) as sha256,"
        " case when f.engine is null then a.onnx end as onnx,"
        " date_part('epoch', coalesce(m.time_budget, s.time_budget)) as budget, s.breaker_failures,"
        " date_part('epoch', s.breaker_pause) as breaker_pause"
        " from modelpack.version as v join modelpack.artifact as a using (sha256)"
        " join modelpack.model as m using (model)"
        " left join modelpack.formula as f using (version_id)"
        " left join lateral (select i.batch_rows, i.onnxruntime from modelpack.inspection as i"
        " where i.version_id = v.version_id and i.sha256 = v.sha256"
        " order by i.inspection_id desc limit 1) as i on true,"
        " (select max(value) filter (where name = 'time_budget')::interval as time_budget,"
        " max(value) filter (where name = 'breaker_failures')::integer as breaker_failures,"
        " max(value) filter (where name = 'breaker_pause')::interval as breaker_pause"
        f" from modelpack.setting) as s where v.version_id = {version_id}"
    )
    if len(found) == 0:
        raise UnfitError(f"there is no version with the number {version_id}")
    if found[0]["batch_rows"] is None:
        raise UnfitError("these bytes have not passed modelpack.prove on this server")
    content = found[0]["onnx"] if found[0]["engine"] is None else found[0]["formula"]
    if content is None:
        raise UnfitError("the bytes of the version were purged")
    if (
        hashlib.sha256(content if isinstance(content, bytes) else content.encode()).hexdigest()
        != found[0]["sha256"]
    ):
        raise UnfitError("the bytes of the model do not have the hash under which they were published")
    return found[0]


def computed(GD: dict[str, Any], found: dict[str, Any]) -> Any:
    """A version that Python computes. A program of its own: sessions that need none do not compile it."""
    names: dict[str, Any] = {"__name__": "modelpack_computed"}
    exec(source_of(compute), names)
    return names["compute"](GD, found)


def bring_in(plpy: Any, GD: dict[str, Any], version_id: int) -> Any:
    """A version, ready to score by the engine that it was published for."""
    found = read(plpy, version_id)
    if found["engine"] is not None:
        return computed(GD, found)
    put_wheels_first(plpy.execute("select modelpack.server_wheels() as path")[0]["path"])
    with no_signals():
        with importing():
            import numpy
            import onnxruntime

        plpy.execute("select modelpack.start_watchdog()")
        session = open_session(onnxruntime, found["onnx"])
    return Loaded(GD, numpy, onnxruntime, session, found)


def pause(GD: dict[str, Any], version_id: int) -> float:
    """Seconds until what could not be loaded is tried again: more with each attempt."""
    attempts = GD.setdefault("modelpack_attempts", {})
    attempts[version_id] = attempts.get(version_id, 0) + 1
    return (1.0, 2.0, 4.0, 8.0, 10.0)[min(attempts[version_id], 5) - 1]


def load(plpy: Any, SD: dict[str, Any], GD: dict[str, Any], version_id: int) -> None:
    """Put a version into `GD["modelpack"]`.

    The cache survives ROLLBACK and is shared by all functions of the session, but not with those of a schema
    that was dropped since (SD is empty in a function that was made anew). It holds at most
    16 versions; the one loaded first goes first. Errors of the server that mean "stop" (cancel, resources,
    serialization) are not caught; everything else becomes a version that gives no score and says why.

    Every call is under the watchdog of the session (`modelpack.start_watchdog`): it ends a run that has used
    the time budget of the model. A model that keeps failing is not called for a while (circuit breaker): after
    `breaker_failures` failures in a row, where a run that had to be ended counts as a quarter of them.
    """
    cache = SD.get("cache")
    if cache is None:
        cache = SD["cache"] = GD["modelpack"] = collections.OrderedDict()
    if version_id in cache:
        return  # modelpack.warm, or another caller, has loaded it
    version: Any
    try:
        version = bring_in(plpy, GD, version_id)
        give_back_memory()
        GD.get("modelpack_attempts", {}).pop(version_id, None)
    except UnfitError as error:
        GD.get("modelpack_attempts", {}).pop(version_id, None)
        version = Broken(GD, version_id, str(error), 1.0)
    except plpy.SPIError as error:
        # cancel and shutdown, serialization, resources, lock timeout, input/output, read-only: never swallowed
        state = error.sqlstate or ""
        if state[:2] in ("57", "40", "53", "55", "58") or state == "25006":
            raise
        version = Broken(GD, version_id, f"the model cannot be read: {error}", pause(GD, version_id))
    except ImportError as error:
        python = ".".join(map(str, sys.version_info[:2]))
        reason = (
            f"the server's Python {python} cannot import {error.name or 'onnxruntime'}: {str(error)[:300]}; "
            "install numpy and onnxruntime for that Python and name their folder: modelpack install --server-wheels DIR"
        )
        version = Broken(GD, version_id, reason, pause(GD, version_id))
    except Exception as error:
        reason = f"the model cannot be loaded: {type(error).__name__}: {str(error)[:500]}"
        version = Broken(GD, version_id, reason, pause(GD, version_id))
    cache.pop(version_id, None)
    while len(cache) >= LIMIT:
        cache.popitem(last=False)
    cache[version_id] = version
