"""The page and the twenty lines: what they say of made-up facts, and that nothing in them can do anything."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from modelpack.monitoring.page import status, words
from modelpack.monitoring.page.charts import thinned
from modelpack.monitoring.page.render import figure, render
from modelpack.monitoring.page.svg import cleaned
from tests.unit.monitoring.made import NOW, made

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}\x1b[2J‮"
ALLOWED = (
    "html head meta title style body main header section h1 h2 h3 p small strong span div details summary dl dt dd table tr th td br figure figcaption footer "
    "svg g path rect text line circle clippath defs tspan"
).split()


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def hostile() -> str:
    return render(made(inputs=50, hostile=HOSTILE))


def test_a_page_holds_no_script_no_address_and_nothing_that_somebody_wrote_as_markup(hostile: str) -> None:
    elements = Elements(hostile)
    assert {tag for tag, _ in elements.found} - set(ALLOWED) == set()
    for tag, attributes in elements.found:
        assert not [
            a for a in attributes if a.startswith("on") or a in ("src", "href", "xlink:href", "action")
        ], tag
    outside = re.sub(r"<title>.*?</title>", "", hostile, flags=re.S)
    assert not re.search(r"url\((?!#)|@import|https?:", outside.replace("https://example.org", ""))
    assert "alert(1)" in elements.text, "it is there, as text"
    assert "49" not in re.findall(r"retrained.*?(\d+)\s*", hostile), "no template of somebody is run"


def test_ids_of_charts_are_their_own_and_what_names_them_finds_them(hostile: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', hostile)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", hostile)) <= set(ids)


def test_a_page_of_fifty_inputs_is_smaller_than_a_megabyte(hostile: str) -> None:
    assert len(hostile.encode()) < 1_000_000


def test_a_page_has_both_widths_both_schemes_and_says_its_charts_in_words(hostile: str) -> None:
    assert hostile.count('class="wide"') == hostile.count('class="narrow"') >= 9
    assert "prefers-color-scheme: dark" in hostile
    assert "@media print" in hostile
    figures = [a for tag, a in Elements(hostile).found if tag == "figure"]
    assert all(a["role"] == "img" and a["aria-label"] for a in figures)


def test_every_colour_of_a_chart_is_one_that_the_style_sheet_turns(hostile: str) -> None:
    drawn = {
        value.lower()
        for tag, attributes in Elements(hostile).found
        for name, value in attributes.items()
        if name in ("fill", "stroke") and value is not None
    }
    turned = set(re.findall(r'svg \[fill="(#\w+)"\]', hostile))
    assert drawn - turned <= {"none", "transparent"}


def test_what_an_svg_brings_beside_shapes_is_left_out() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="10" height="20" viewBox="0 0 10 20" onload="x()">'
        '<style>*{}</style><script>x()</script><image xlink:href="http://a"/><a href="javascript:x()"><path d="M0"/></a>'
        '<g id="a" clip-path="url(#b)" onclick="x()" fill="url(http://a)" style="background:url(http://a)"><path d="M1.23456,2" style="opacity: 1"/></g></svg>'
    )
    assert cleaned(svg, "c1-") == (
        '<svg viewBox="0 0 10 20" width="10" height="20" aria-hidden="true"><g id="c1-a" clip-path="url(#c1-b)">'
        '<path d="M1.23,2" style="opacity: 1" /></g></svg>'
    )


def test_the_verdict_comes_first_and_says_what_is_wrong() -> None:
    facts = made(inputs=3)
    judged = words.verdict(facts)
    assert judged.state == "look"
    assert judged.sentences[0] == (
        f"Version 3 of churn scores since 15 November 2026; on 27 November 2026 all versions together gave {facts['response'][-1]['predictions']:,} scores."
    )
    assert any("Customers look different" in s for s in judged.sentences)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"alerts": []}, "good"),
        ({"champion": None}, "unknown"),
        ({"looked_at": None, "alerts": []}, "unknown"),
        ({"disabled": "it said nonsense", "disabled_at": NOW, "alerts": []}, "bad"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else given,
)
def test_the_verdict_of_a_model_that(change: dict[str, Any], state: str) -> None:
    assert words.verdict(made(inputs=3) | change).state == state


def test_a_model_that_guesses_is_not_called_good() -> None:
    facts = made(inputs=3) | {"alerts": []}
    for fit in facts["fit"]:
        fit["auc"] = 0.51
    judged = words.verdict(facts)
    assert judged.state == "look"
    assert any("hardly better than guessing" in s for s in judged.sentences)


def test_a_model_of_which_nothing_is_known_has_a_page() -> None:
    empty = {
        k: [] if isinstance(v, list) and k not in ("scores", "versions") else v
        for k, v in made(inputs=1).items()
    }
    page = render(empty | {"looked_at": None, "description": ""})
    assert "Nobody can say." in page


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0, "0"), (0.5, "0.500"), (0.0123, "0.0123"), (12.3456, "12.3"), (1234.5, "1,234"), (-0.25, "-0.250"), (2e-7, "2.0e-07"), (float("nan"), "nan")],
)  # fmt: skip
def test_numbers_have_about_three_digits_that_say_something(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_thinning_keeps_the_peaks() -> None:
    rows = [{"hour": NOW + timedelta(hours=h), "version": 1, "p99": 1.0} for h in range(5000)]
    rows[3333]["p99"] = 900.0
    kept = thinned(rows)
    assert len(kept) <= 241
    assert rows[3333] in kept


def test_a_sparkline_shows_the_course_and_where_there_is_nothing() -> None:
    assert status.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert status.sparkline([1, None, 1]) == "▁·▁"
    assert status.sparkline([0.5], low=0, high=1) == "▅"
    assert status.sparkline([]) == ""


def test_the_status_is_at_most_twenty_lines() -> None:
    facts = made(inputs=5)
    lines = status.lines(facts)
    assert len(lines) <= 20
    assert lines[0] == "[look] churn: It is working, but look at this."
    facts["alerts"] = facts["alerts"] * 30
    facts["scores"] = facts["scores"] * 3
    assert len(status.lines(facts)) == 20
