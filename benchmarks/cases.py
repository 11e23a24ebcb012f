"""The cases: each makes its tables in a schema of its own and runs the same events."""

from __future__ import annotations

import pickle
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnxruntime
import pandas as pd
import psycopg
import sklearn
from sklearn.ensemble import GradientBoostingClassifier
from sqlalchemy import create_engine

from modelpack import Event, Profile, Registry, Score, apply, count, last, maximum, mean, minimum, total
from modelpack.install import normal_dsn

CUSTOMERS = 10_000
FEATURES = {
    "events_n": count(),
    "amount_sum": total("amount"),
    "amount_mean": mean("amount"),
    "amount_min": minimum("amount"),
    "amount_max": maximum("amount"),
    "big_n": count(where="amount > 50"),
    "small_n": count(where="amount < 5"),
    "last_amount": last("amount"),
}
INPUTS = list(FEATURES)


@dataclass
class Case:
    """A name, how to set it up, and how to run n single events or one statement of n events."""

    name: str
    single: Callable[[int], float]
    bulk: Callable[[int], float] | None = None


def train() -> tuple[GradientBoostingClassifier, pd.DataFrame]:
    """100 boosted trees over the 8 inputs."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.gamma(2, 20, (4000, len(INPUTS))), columns=INPUTS)
    target = (frame["amount_mean"] + random.normal(0, 20, len(frame)) > 45).astype(int)
    return GradientBoostingClassifier(n_estimators=100, max_depth=3, random_state=0).fit(frame, target), frame


class Bench:
    """One database, one connection, every case in its own schema."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.engine = create_engine(normal_dsn(dsn))
        self.connection = psycopg.connect(
            dsn.replace("postgresql+psycopg://", "postgresql://"), autocommit=True
        )
        self.model, self.frame = train()
        self.offset = 0
        Registry(self.engine).publish(self.model, name="bench", sample=self.frame.head(200), promote=True)

    def run(self, sql: str) -> None:
        """One statement, nothing timed."""
        self.connection.execute(sql)

    def timed(self, sql: str) -> float:
        """Seconds of one statement."""
        start = time.perf_counter()
        self.connection.execute(sql)
        return time.perf_counter() - start

    def tables(self, schema: str) -> None:
        """Fresh tables with every customer there."""
        self.run(f"drop schema if exists {schema} cascade; create schema {schema}")
        self.run(f"create table {schema}.customer (customer_id bigint primary key) with (fillfactor = 70)")
        self.run(
            f"create table {schema}.event (customer_id bigint not null, at timestamptz not null default now(), "
            "amount numeric not null)"
        )
        self.run(f"insert into {schema}.customer select generate_series(1, {CUSTOMERS})")

    def declared(self, schema: str, *, scored: bool) -> None:
        """Our own triggers, with or without a score."""
        self.tables(schema)
        scores = [Score("churn", model="bench")] if scored else []
        profile = Profile(
            f"{schema}.customer",
            key="customer_id",
            events=[Event(f"{schema}.event", at="at", features=FEATURES)],
            scores=scores,
        )
        with self.engine.begin() as connection:
            apply(connection, profile)
        self.run(f"vacuum analyze {schema}.customer")

    def unlogged(self, schema: str) -> None:
        """Take the log out of the score trigger, to see what it costs."""
        found = self.connection.execute(
            "select pg_get_functiondef(%s::regprocedure)", (f"modelpack.{schema}_customer_score()",)
        ).fetchone()
        if found is None:
            raise RuntimeError(f"{schema}.customer has no score trigger")
        self.run(re.sub(r"if tg_op = 'UPDATE' then\n *insert.*?end if;", "", found[0], flags=re.DOTALL))

    def loops(self, schema: str) -> tuple[Callable[[int], float], Callable[[int], float]]:
        """n single INSERTs inside the server, and one INSERT of n rows."""

        def single(n: int) -> float:
            self.offset += 7919
            return self.timed(
                f"do $$ begin for i in 1..{n} loop insert into {schema}.event (customer_id, amount) "
                f"values (1 + (i::bigint * 7919 + {self.offset}) % {CUSTOMERS}, i % 100); end loop; end $$"
            )

        def bulk(n: int) -> float:
            self.offset += 7919
            return self.timed(
                f"insert into {schema}.event (customer_id, amount) select 1 + (i::bigint * 7919 + {self.offset}) "
                f"% {CUSTOMERS}, i % 100 from generate_series(1, {n}) as i"
            )

        return single, bulk

    def cases(self) -> list[Case]:
        """All cases, the floor first."""
        self.declared("bench_floor", scored=False)
        self.declared("bench_score", scored=True)
        self.unlogged("bench_score")
        self.declared("bench_log", scored=True)
        self.tables("bench_none")
        return [
            Case("no trigger", *self.loops("bench_none")),
            Case("counters only (the floor)", *self.loops("bench_floor")),
            Case("count + score", *self.loops("bench_score")),
            Case("count + score + log", *self.loops("bench_log")),
            self.pickled(),
            self.application(),
        ]

    def pickled(self) -> Case:
        """A row trigger that unpickles scikit-learn once a session and predicts."""
        self.declared("bench_pickle", scored=False)
        self.run("alter table bench_pickle.customer add column churn double precision")
        site = sklearn.__file__.rsplit("/sklearn/", 1)[0]
        self.run("drop table if exists bench_pickle.model; create table bench_pickle.model (bytes bytea)")
        self.run("grant select on bench_pickle.model to modelpack_owner")
        self.connection.execute("insert into bench_pickle.model values (%s)", (pickle.dumps(self.model),))
        columns = ", ".join(f"float(new['{c}'] or 0)" for c in INPUTS)
        self.run(
            "create or replace function bench_pickle.score() returns trigger language plpython3u as $$\n"
            f"if 'model' not in SD:\n    import sys, pickle, warnings\n    sys.path.append('{site}')\n"
            "    warnings.simplefilter('ignore')\n"
            "    SD['model'] = pickle.loads(plpy.execute('select bytes from bench_pickle.model')[0]['bytes'])\n"
            f"new = TD['new']\nnew['churn'] = float(SD['model'].predict_proba([[{columns}]])[0, 1])\nreturn 'MODIFY'\n$$"
        )
        self.run(
            "create trigger zzz_pickle before update on bench_pickle.customer for each row "
            "execute function bench_pickle.score()"
        )
        return Case("trigger with a pickled scikit-learn model", self.loops("bench_pickle")[0])

    def application(self) -> Case:
        """An application that inserts, reads the profile, scores with onnxruntime and writes back."""
        self.declared("bench_app", scored=False)
        self.run("alter table bench_app.customer add column churn double precision")
        row = self.connection.execute(
            "select a.onnx from modelpack.artifact as a join modelpack.version as v using (sha256) "
            "where v.model = 'bench' order by v.version desc limit 1"
        ).fetchone()
        if row is None:
            raise RuntimeError("the benchmark's model is not published")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(row[0], options, providers=["CPUExecutionProvider"])

        def single(n: int) -> float:
            start = time.perf_counter()
            for i in range(n):
                key = 1 + (i * 7919) % CUSTOMERS
                with self.connection.transaction():
                    self.connection.execute(
                        "insert into bench_app.event (customer_id, amount) values (%s, %s)", (key, i % 100)
                    )
                    found = self.connection.execute(
                        f"select {', '.join(f'{c}::float8' for c in INPUTS)} from bench_app.customer "
                        "where customer_id = %s for update",
                        (key,),
                    ).fetchone()
                    inputs = np.array([found], dtype=np.float32)
                    score = float(session.run(["score"], {"number": inputs})[0].ravel()[0])
                    self.connection.execute(
                        "update bench_app.customer set churn = %s where customer_id = %s", (score, key)
                    )
            return time.perf_counter() - start

        return Case("application reads, scores, writes back", single)

    def client(self, schema: str) -> Callable[[int], float]:
        """n single INSERTs from the client, each its own transaction: what the application's rival is held against."""

        def single(n: int) -> float:
            start = time.perf_counter()
            for i in range(n):
                self.connection.execute(
                    f"insert into {schema}.event (customer_id, amount) values (%s, %s)",
                    (1 + (i * 7919) % CUSTOMERS, i % 100),
                )
            return time.perf_counter() - start

        return single
