"""The charts of the page: what each shows, and what it says for who does not see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from modelpack.monitoring.page.canvas import (
    DASHES,
    GRID,
    INK,
    MAIN,
    MUTED,
    NARROW,
    SOFT,
    WARN,
    Canvas,
    Chart,
    Row,
    short,
    text,
    who,
)


class Drawing(Canvas):
    """The charts that there are."""

    def response(self, rows: Sequence[Row], marks: Sequence[Row]) -> Chart:
        """The distribution of scores by day: the middle, half of them, nine of ten."""
        alt = self._alt
        data = self._days(rows, ("p05", "p25", "p50", "p75", "p95"))

        def make(width: int) -> Any:
            x = self._time(width)
            base = alt.Chart(alt.Data(values=data))
            detail = alt.Detail("who:N")
            outer = base.mark_area(color=SOFT, opacity=0.45).encode(
                x=x, y=alt.Y("p05:Q", title="score", scale=alt.Scale(zero=False)), y2="p95:Q", detail=detail
            )
            inner = base.mark_area(color=SOFT, opacity=0.9).encode(x=x, y="p25:Q", y2="p75:Q", detail=detail)
            line = base.mark_line(color=MAIN, strokeWidth=2).encode(
                x=x, y="p50:Q", strokeDash=self._dash(data, width)
            )
            dots = base.mark_circle(color=MAIN, size=18, opacity=1).encode(x=x, y="p50:Q")
            return alt.layer(outer, inner, line, dots, *self._marks(marks)).properties(
                width=width - 70, height=190
            )

        return self.draw(
            "How the scores are distributed",
            "Line: the score in the middle of each day. Dark band: half of the scores. Light band: nine of ten. "
            "Upright lines: promotions.",
            make,
        )

    def shares(self, rows: Sequence[Row], marks: Sequence[Row]) -> Chart:
        """Undecided, and the same value for many."""
        alt = self._alt
        names = {"uncertain_share": "in the uncertain band", "largest_share": "one and the same value"}
        data = [
            {"day": text(r["day"]), "share": r[key], "what": name, "who": f"{name}/{who(r)}"}
            for r in rows
            for key, name in names.items()
            if r[key] is not None
        ]

        def make(width: int) -> Any:
            x = self._time(width)
            base = alt.Chart(alt.Data(values=data))
            y = alt.Y(
                "share:Q",
                title="share of the scores",
                axis=alt.Axis(format="%", tickCount=5),
                scale=alt.Scale(domain=[0, 1]),
            )
            return alt.layer(
                base.mark_line(color=MAIN, strokeWidth=2).encode(
                    x=x, y=y, detail="who:N",
                    strokeDash=alt.StrokeDash(
                        "what:N", scale=alt.Scale(domain=list(names.values()), range=DASHES[:2]), legend=self._legend(width)
                    ),
                ),
                base.mark_circle(color=MAIN, size=18, opacity=1).encode(x=x, y=y),
                *self._marks(marks),
            ).properties(width=width - 70, height=130)  # fmt: skip

        return self.draw(
            "Decided or confused",
            "A model that works tells customers apart: few scores in the uncertain band, and no value that most of them share.",
            make,
        )

    def predictions(self, rows: Sequence[Row]) -> Chart:
        """How many scores, by day."""
        alt = self._alt
        counted: dict[str, int] = {}
        for r in rows:
            counted[text(r["day"])] = counted.get(text(r["day"]), 0) + int(r["predictions"])
        data = [{"day": d, "n": n} for d, n in counted.items()]

        def make(width: int) -> Any:
            return (
                alt.Chart(alt.Data(values=data))
                .mark_bar(color=MAIN, width=max(2, min(14, (width - 70) / max(len(data), 1) - 2)))
                .encode(
                    x=self._time(width),
                    y=alt.Y("n:Q", title="scores", axis=alt.Axis(format="~s", tickCount=3)),
                )
                .properties(width=width - 70, height=90)
            )

        return self.draw("How many scores", "Scores that were given, by day.", make)

    def drift(self, rows: Sequence[Row], most: int = 14) -> Chart:
        """Each input: how far it is from before, and how far it may be by chance."""
        alt = self._alt
        inputs = {r["input"] for r in rows}
        worst = sorted(inputs, key=lambda i: -max(_ratio(r) for r in rows if r["input"] == i))[:most]
        data = [
            {
                "input": short(r["input"] or "(the score)"),
                "against": f"against {r['against']}",
                "psi": r["psi"],
                "limit": max(r["critical"] or 0, r["bound"] or 0),
                "beyond": "beyond its bound" if r["beyond"] else "within its bound",
            }
            for name in worst
            for r in rows
            if r["input"] == name and r["psi"] is not None
        ]
        order = [short(name or "(the score)") for name in worst]
        groups = sorted({d["against"] for d in data})

        def make(width: int) -> Any:
            side = 130 if width == NARROW else 190
            beside = width != NARROW and len(groups) > 1
            room = (width - side - 40) // (2 if beside else 1) - (20 if beside else 0)
            y = alt.Y(
                "input:N", sort=order, title=None, axis=alt.Axis(labelLimit=side - 10, labelOverlap=False)
            )
            base = alt.Chart(alt.Data(values=data))
            bar = base.mark_bar(height=3, color=GRID).encode(
                x=alt.X("limit:Q", title="distance (PSI)", stack=None, axis=alt.Axis(tickCount=4)), y=y
            )
            tick = base.mark_tick(color=MUTED, thickness=2, size=14).encode(x="limit:Q", y=y)
            dot = base.mark_point(filled=True, size=75, opacity=1).encode(
                x="psi:Q",
                y=y,
                shape=alt.Shape(
                    "beyond:N",
                    scale=alt.Scale(
                        domain=["within its bound", "beyond its bound"], range=["circle", "triangle-up"]
                    ),
                    legend=alt.Legend(
                        title=None,
                        symbolType="circle",
                        symbolSize=75,
                        direction="vertical" if width == NARROW else "horizontal",
                    ),
                ),
                color=alt.Color(
                    "beyond:N",
                    scale=alt.Scale(domain=["within its bound", "beyond its bound"], range=[MAIN, WARN]),
                    legend=None,
                ),
            )
            layers = alt.layer(bar, tick, dot).properties(width=room, height=alt.Step(20))
            return layers.facet(facet=alt.Facet("against:N", title=None), columns=2 if beside else 1)

        return self.draw(
            "Which inputs have changed",
            "Each mark is an input: how far its distribution is from before. The upright stroke is what chance and the bound allow; "
            "a triangle lies beyond it.",
            make,
        )

    def drift_by_day(self, rows: Sequence[Row], marks: Sequence[Row]) -> Chart:
        """How far the score itself is from before, by day."""
        alt = self._alt
        data = [
            {
                "day": text(r["day"]),
                "psi": r["psi"],
                "limit": r["critical"],
                "against": f"against {r['against']}",
                "who": f"{r['against']}/{r['version']}",
            }
            for r in rows
            if r["psi"] is not None
        ]

        def make(width: int) -> Any:
            base = alt.Chart(alt.Data(values=data))
            groups = sorted({d["against"] for d in data})
            return alt.layer(
                base.mark_circle(color=MAIN, size=18, opacity=1).encode(x=self._time(width), y="psi:Q"),
                base.mark_line(color=MAIN, strokeWidth=2).encode(
                    x=self._time(width),
                    y=alt.Y("psi:Q", title="distance (PSI)", axis=alt.Axis(tickCount=4)),
                    strokeDash=alt.StrokeDash(
                        "against:N", scale=alt.Scale(domain=groups, range=DASHES[: len(groups)]), legend=self._legend(width)
                    ),
                    detail="who:N",
                ),
                *self._marks(marks),
            ).properties(width=width - 70, height=120)  # fmt: skip

        return self.draw(
            "How far the scores are from before",
            "The distance of each day's scores from the reference and from the last good week.",
            make,
        )

    def fit(self, rows: Sequence[Row], figure: str) -> Chart:
        """A figure of each cohort, and how much of it is known."""
        alt = self._alt
        data = [
            {
                "day": text(r["cut_off"]), "value": r[figure], "pending": r["pending_share"], "who": f"version {r['version']}",
                "known": "final" if r["final"] else "not final yet",
            }
            for r in rows
        ]  # fmt: skip
        known = [d for d in data if d["value"] is not None]
        values = [d["value"] for d in known] or [0.0, 1.0]
        room = max(0.15 * (max(values) - min(values)), 0.05 * abs(max(values)), 1e-6)
        reach = [min(values) - room, max(values) + room]
        name = figure.upper() if figure in ("auc", "mae", "rmse") else "Brier score"

        def make(width: int) -> Any:
            x = self._time(width)
            line = alt.Chart(alt.Data(values=known)).mark_line(color=MAIN, strokeWidth=1.5).encode(
                x=x, y=alt.Y("value:Q", title=name, scale=alt.Scale(domain=reach, nice=False), axis=alt.Axis(tickCount=5)), strokeDash=self._dash(known, width)
            )  # fmt: skip
            dots = (
                alt.Chart(alt.Data(values=known))
                .mark_point(size=60, color=MAIN, opacity=1)
                .encode(
                    x=x,
                    y="value:Q",
                    fill=alt.Fill(
                        "known:N",
                        scale=alt.Scale(domain=["final", "not final yet"], range=[MAIN, "transparent"]),
                        legend=None,
                    ),
                )
            )
            bars = (
                alt.Chart(alt.Data(values=data))
                .mark_bar(color=SOFT, width=8)
                .encode(
                    x=x,
                    y=alt.Y(
                        "pending:Q",
                        title="pending",
                        axis=alt.Axis(format="%", tickCount=2),
                        scale=alt.Scale(domain=[0, 1]),
                    ),
                )
            )
            return alt.vconcat(
                alt.layer(line, dots).properties(width=width - 70, height=140), bars.properties(width=width - 70, height=50), spacing=6
            ).resolve_scale(x="shared")  # fmt: skip

        return self.draw(
            "How well the scores came true",
            f"{name} of the scores of each cut-off; full points are final, open ones not. Below: the share whose truth is not known yet.",
            make,
        )

    def calibration(self, bins: Sequence[Row]) -> Chart:
        """What was said against what came."""
        alt = self._alt
        data = [dict(b) for b in bins]
        most = max([0.05, *(max(b["said"], b["high"]) for b in bins)])

        def make(width: int) -> Any:
            scale = alt.Scale(domain=[0, min(1.0, most * 1.05)])
            base = alt.Chart(alt.Data(values=data))
            right = alt.Chart(
                alt.Data(
                    values=[
                        {"said": 0, "came": 0},
                        {"said": min(1.0, most * 1.05), "came": min(1.0, most * 1.05)},
                    ]
                )
            )
            x = alt.X(
                "said:Q", title="what the scores said", scale=scale, axis=alt.Axis(format="%", tickCount=5)
            )
            return alt.layer(
                right.mark_line(color=MUTED, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y="came:Q"),
                base.mark_rule(color=MAIN, strokeWidth=1.5).encode(x=x, y="low:Q", y2="high:Q"),
                base.mark_point(filled=True, size=60, color=MAIN, opacity=1).encode(
                    x=x, y=alt.Y("came:Q", title="what came of them", scale=scale, axis=alt.Axis(format="%", tickCount=5))
                ),
            ).properties(width=min(width - 80, 360), height=min(width - 80, 260))  # fmt: skip

        return self.draw(
            "Whether scores are the probabilities that they claim to be",
            "Each point is a tenth of the scores whose truth is known, with a 95% interval. On the dashed line what was said came true as often.",
            make,
        )

    def latency(self, rows: Sequence[Row], budget_seconds: float) -> Chart:
        """Microseconds of the model, by hour."""
        alt = self._alt
        names = {"p50": "half", "p95": "95 of 100", "p99": "99 of 100"}
        runs: dict[int, tuple[datetime, int]] = {}
        data = []
        for r in thinned(rows):
            # no line where nothing was measured for days
            before, run = runs.get(r["version"], (r["hour"], 0))
            runs[r["version"]] = (r["hour"], run + (r["hour"] - before > timedelta(days=2)))
            who = f"{r['version']}/{runs[r['version']][1]}"
            data += [
                {"day": text(r["hour"]), "ms": r[key] / 1000, "what": name, "who": f"{name}/{who}"}
                for key, name in names.items()
                if r[key]
            ]
        reach = [min(d["ms"] for d in data) * 0.7, max(d["ms"] for d in data) * 1.4]

        def make(width: int) -> Any:
            return alt.layer(
                alt.Chart(alt.Data(values=data))
                .mark_line(color=MAIN, strokeWidth=1.5)
                .encode(
                    x=self._time(width),
                    y=alt.Y("ms:Q", title="milliseconds", scale=alt.Scale(type="log", domain=reach, nice=False), axis=alt.Axis(tickCount=4, format="~g", grid=False)),
                    strokeDash=alt.StrokeDash(
                        "what:N", scale=alt.Scale(domain=list(names.values()), range=DASHES[:3]), legend=self._legend(width)
                    ),
                    detail="who:N",
                )
            ).properties(width=width - 70, height=120)  # fmt: skip

        return self.draw(
            "How long a score takes",
            f"Within how long so many scores of an hour were ready. The model may take {budget_seconds * 1000:,.0f} milliseconds.",
            make,
        )

    def staleness(self, rows: Sequence[Row]) -> Chart:
        """The share of rows without a fresh score, by hour."""
        alt = self._alt
        data = [{"day": text(r["hour"]), "share": r["stale"] / r["rows"]} for r in thinned(rows) if r["rows"]]

        def make(width: int) -> Any:
            return (
                alt.Chart(alt.Data(values=data))
                .mark_area(color=SOFT, line=alt.LineConfig(color=MAIN, strokeWidth=1.5), opacity=0.6)
                .encode(
                    x=self._time(width),
                    y=alt.Y(
                        "share:Q", title="share of the rows", axis=alt.Axis(format="~%", tickCount=3),
                        scale=alt.Scale(domain=[0, max([0.01, *(d["share"] for d in data)])]),
                    ),
                )
                .properties(width=width - 70, height=80)
            )  # fmt: skip

        return self.draw(
            "Scores that are out of date", "The share of customers who have no fresh score.", make
        )

    def effects(self, experiment: Row) -> Chart | None:
        """How arms differ from the first."""
        alt = self._alt
        data = [
            {"arm": short(e["arm"]), "difference": e["difference"], "low": e["low"], "high": e["high"]}
            for e in experiment.get("effects", ())
            if e["low"] is not None and e["high"] is not None
        ]
        if not data:
            return None

        def make(width: int) -> Any:
            base = alt.Chart(alt.Data(values=data))
            y = alt.Y("arm:N", title=None, axis=alt.Axis(labelOverlap=False))
            zero = (
                alt.Chart(alt.Data(values=[{"at": 0}]))
                .mark_rule(color=MUTED, strokeDash=[4, 4])
                .encode(x="at:Q")
            )
            return alt.layer(
                zero,
                base.mark_rule(color=MAIN, strokeWidth=2).encode(x=alt.X("low:Q", title="difference from the first arm"), x2="high:Q", y=y),
                base.mark_point(filled=True, size=80, color=MAIN, opacity=1).encode(x="difference:Q", y=y),
            ).properties(width=width - 130, height=alt.Step(30))  # fmt: skip

        return self.draw(
            f"Experiment {experiment['experiment']}",
            "The difference of each arm from the first, with an interval that holds however often one looks. Left and right of the dashed line: less and more.",
            make,
        )

    def importance(self, rows: Sequence[Row], most: int = 12) -> Chart:
        """How much each input moves the scores."""
        alt = self._alt
        shown = sorted((r for r in rows if r["importance"] is not None), key=lambda r: -r["importance"])[
            :most
        ]
        data = [{"input": short(r["input"]), "by": r["importance"]} for r in shown]
        order = [d["input"] for d in data]

        def make(width: int) -> Any:
            side = 130 if width == NARROW else 190
            return (
                alt.Chart(alt.Data(values=data))
                .mark_bar(color=MAIN, height=12)
                .encode(
                    x=alt.X("by:Q", title="moves the score by", axis=alt.Axis(tickCount=4)),
                    y=alt.Y(
                        "input:N",
                        sort=order,
                        title=None,
                        axis=alt.Axis(labelLimit=side - 10, labelOverlap=False),
                    ),
                )
                .properties(width=width - side - 20, height=alt.Step(20))
            )

        return self.draw(
            "Which inputs move the scores most",
            "By how much each input moves a score, on average, away from what the model says of everybody.",
            make,
        )

    def history(
        self,
        reigns: Sequence[Row],
        alerts: Sequence[Row],
        timeline: Sequence[Row],
        since: datetime,
        now: datetime,
        titles: dict[str, str],
    ) -> Chart:
        """Which version scored when; below it what was wrong when; and what was done."""
        alt = self._alt
        data: list[Row] = [
            {
                "row": "scores",
                "from": text(max(r["since"], since)),
                "to": text(r["until"] or now),
                "label": f"v{r['version']}",
                "kind": "version",
            }
            for r in reigns
            if (r["until"] or now) > since
        ]
        data += [
            {
                "row": titles.get(a["kind"], a["kind"]),
                "from": text(max(a["opened_at"], since)),
                "to": text(a["closed_at"] or now),
                "label": "",
                "kind": "alert",
            }
            for a in alerts
        ]
        done = [
            {"row": "what was done", "at": text(t["at"]), "kind": t["kind"]}
            for t in timeline
            if since <= t["at"] <= now
        ]
        order = ["scores", *sorted({d["row"] for d in data} - {"scores"}), "what was done"]

        def make(width: int) -> Any:
            side = 160 if width == NARROW else 230
            x = alt.X(
                "from:T",
                title=None,
                scale=alt.Scale(domain=[text(since), text(now)], type="utc"),
                axis=self._days_axis(width),
            )
            y = alt.Y(
                "row:N",
                sort=order,
                title=None,
                axis=alt.Axis(labelLimit=side - 20, labelOverlap=False),
                scale=alt.Scale(domain=order),
            )
            base = alt.Chart(alt.Data(values=data))
            version, alert = (base.transform_filter(f"datum.kind == '{k}'") for k in ("version", "alert"))
            marks = alt.Chart(alt.Data(values=done)).mark_point(
                size=70, color=INK, shape="diamond", filled=True, opacity=1
            )
            return alt.layer(
                version.mark_bar(height=16, color=SOFT, stroke=MAIN, cornerRadius=2).encode(x=x, x2="to:T", y=y),
                version.mark_text(align="left", dx=4, color=INK, fontSize=12).encode(x=x, y=y, text="label:N"),
                alert.mark_bar(height=8, color=WARN, minBandSize=3).encode(x=x, x2="to:T", y=y),
                alert.mark_point(size=60, color=WARN, shape="triangle-up", filled=True, opacity=1).encode(x=x, y=y),
                marks.encode(x=alt.X("at:T", scale=alt.Scale(type="utc")), y=y),
            ).properties(width=width - side - 20, height=alt.Step(26))  # fmt: skip

        return self.draw(
            "Versions, alerts, and what was done",
            "Which version scored; what was wrong, and for how long; and, as diamonds, what was done. A cause stands above or shortly before its effect.",
            make,
        )


def _ratio(row: Row) -> float:
    limit = max(row["critical"] or 0, row["bound"] or 0)
    return (row["psi"] or 0) / limit if limit else 0.0


def thinned(rows: Sequence[Row], most: int = 240) -> list[Row]:
    """At most about `most` moments of rows with an hour: of each span that with the highest figure stays, so no peak is lost."""
    hours = sorted({r["hour"] for r in rows})
    if len(hours) <= most:
        return list(rows)
    step = (hours[-1] - hours[0]) / most + timedelta(seconds=1)

    def height(row: Row) -> float:
        return float(row["p99"] or 0) if "p99" in row else row["stale"] / max(row["rows"], 1)

    kept: dict[tuple[int, Any], Row] = {}
    for r in rows:
        key = (int((r["hour"] - hours[0]) / step), r.get("version"))
        if key not in kept or height(r) > height(kept[key]):
            kept[key] = r
    return sorted(kept.values(), key=lambda r: r["hour"])
