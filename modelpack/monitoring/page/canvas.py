"""How a chart is drawn as inline SVG, by Altair and vl-convert: no script, no style sheet and no address in it.

A chart is drawn in four sentinel colours, which the page's style sheet turns into those of light, dark and print. What is
told by colour is told by shape, dash or label, too. Each is drawn twice, for a wide and for a narrow window, so that
its letters stay readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from modelpack.extras import need
from modelpack.monitoring.page.svg import cleaned

Row = dict[str, Any]

WIDE, NARROW = 760, 330
"""Widths of a chart in pixels: its letters are 12 pixels high in either."""

INK, MUTED, GRID, MAIN, SOFT, WARN = "#101010", "#606060", "#d0d0d0", "#1060a0", "#a0c0e0", "#c04000"
"""What the style sheet knows the parts of a chart by."""

DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4]]


def need_charts() -> None:
    """Raise ExtraError unless the libraries that draw are here."""
    need("A page with charts", {"altair": "altair", "vl_convert": "vl-convert-python"}, "report")


@dataclass(frozen=True)
class Chart:
    """A chart in both widths, and what it shows for who does not see it."""

    title: str
    says: str
    wide: str
    narrow: str


class Canvas:
    """Makes charts; names of parts of an SVG are unique within one drawing."""

    def __init__(self) -> None:
        need_charts()
        import altair
        import vl_convert

        self._alt, self._convert = altair, vl_convert
        self._number = count()

    def _svg(self, chart: Any) -> str:
        # not chart.save: it asks for a format's whole machinery, and writes files
        made = self._convert.vegalite_to_svg(chart.to_json(validate=False), vl_version=self._version())
        return cleaned(made, f"c{next(self._number)}-")

    def _version(self) -> str:
        major, minor, *_ = self._alt.SCHEMA_VERSION.lstrip("v").split(".")
        return f"{major}.{minor}"

    def draw(self, title: str, says: str, make: Callable[[int], Any]) -> Chart:
        """Both widths of what `make` gives for a width."""
        wide, narrow = (self._svg(self._dressed(make(width))) for width in (WIDE, NARROW))
        return Chart(title, says, wide, narrow)

    def _dressed(self, chart: Any) -> Any:
        return (
            chart.configure(background="transparent", font="Verdana, DejaVu Sans, sans-serif", padding=4)
            .configure_view(stroke=None)
            .configure_axis(
                labelColor=INK, titleColor=MUTED, gridColor=GRID, domainColor=MUTED, tickColor=MUTED,
                labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelLimit=170, labelOverlap="greedy", labelSeparation=10,
            )
            .configure_legend(
                labelColor=INK, titleColor=MUTED, labelFontSize=12, titleFontSize=12, orient="top", titleFontWeight="normal",
                symbolStrokeColor=MAIN, symbolType="stroke", symbolSize=260, labelLimit=260, columnPadding=24,
            )
            .configure_header(labelColor=INK, labelFontSize=12, title=None, labelAnchor="start")
        )  # fmt: skip

    # ------------------------------------------------------------------ parts

    def _days(self, rows: Sequence[Row], keys: Sequence[str]) -> list[Row]:
        return [
            {"day": text(r["day"]), "who": who(r)} | {k: r[k] for k in keys}
            for r in rows
            if all(r[k] is not None for k in keys)
        ]

    def _days_axis(self, width: int) -> Any:
        return self._alt.Axis(format="%-d %b", tickCount=4 if width == NARROW else 7, labelAngle=0)

    def _time(self, width: int) -> Any:
        return self._alt.X(
            "day:T", title=None, scale=self._alt.Scale(type="utc"), axis=self._days_axis(width)
        )

    def _legend(self, width: int) -> Any:
        return self._alt.Legend(title=None, direction="vertical" if width == NARROW else "horizontal")

    def _dash(self, data: Sequence[Row], width: int = WIDE) -> Any:
        names = sorted({d["who"] for d in data})
        dashes = [DASHES[place % len(DASHES)] for place in range(len(names))]
        return self._alt.StrokeDash(
            "who:N", scale=self._alt.Scale(domain=names, range=dashes), legend=self._legend(width) if len(names) > 1 else None
        )  # fmt: skip

    def _marks(self, marks: Sequence[Row]) -> Iterable[Any]:
        """Upright lines where another version was promoted, with its number."""
        if not marks:
            return
        alt = self._alt
        base = alt.Chart(
            alt.Data(values=[{"day": text(m["since"]), "label": f"v{m['version']}"} for m in marks])
        )
        x = alt.X("day:T", scale=alt.Scale(type="utc"))
        yield base.mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=x)
        yield base.mark_text(align="left", dx=3, color=MUTED, fontSize=12, baseline="top").encode(
            x=x, y=alt.value(2), text="label:N"
        )


def who(row: Row) -> str:
    """Whose scores a row tells of."""
    arm = row.get("arm")
    return f"version {row['version']}" + (f", {short(arm)}" if arm else "")


def text(at: Any) -> str:
    """A day or a moment as Vega reads it."""
    return str(at.isoformat())


def short(name: str, most: int = 40) -> str:
    """A name as a label: one line, without what turns or hides letters, and no longer than it can be read."""
    plain = "".join(c if c.isprintable() else "\ufffd" for c in name)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
