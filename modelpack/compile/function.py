"""A generated function: how it runs, and the statements that make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modelpack.compile.breaking import broken
from modelpack.compile.render import render, statement
from modelpack.compile.sql import PATH, Sql, dollar, ident

TEXTS = {"TimeZone": "UTC", "extra_float_digits": "1"}
"""What the texts of times and of numbers depend on."""

_TEXTS_ALIKE = (
    "TimeZone, extra_float_digits: the texts of times and of numbers are the same in every session."
)

_TEXTS = Sql("set TimeZone = 'UTC'\nset extra_float_digits = '1'")
_SEARCH = Sql("set search_path = {}").format(PATH)


def turned_off(header: Sql, *settings: str) -> Sql:
    """A header that also turns settings of the planner off."""
    return Sql("\n").join([header, *(Sql("set {} = off").format(ident(name)) for name in settings)])


RUNS = Sql("language plpgsql security definer\n{}").format(_SEARCH)
"""A function that runs as its owner (see `modelpack.run_as`); texts of times and of numbers follow the session."""

HEADER = Sql("{}\n{}").format(RUNS, _TEXTS)
"""How generated functions run: as their owner, with nothing that a session could turn."""

AS_WRITER = Sql("language plpgsql security invoker\n{}\n{}").format(_SEARCH, _TEXTS)
"""How a row trigger runs that is for everybody: as who writes the row."""

TRIGGER = Sql("trigger")


@dataclass(frozen=True)
class Function:
    """A generated function. `arguments` has names and types; `comment` says what it is for.

    `reason`: why the header has settings of the planner.
    """

    name: str
    arguments: Mapping[str, Sql]
    returns: Sql
    body: Sql
    comment: str
    header: Sql = HEADER
    reason: str = ""

    @property
    def called(self) -> Sql:
        """Its name with the schema, quoted."""
        return Sql("modelpack.{}").format(ident(self.name))

    @property
    def signature(self) -> Sql:
        """The function as SQL names it."""
        return Sql("{}({})").format(self.called, Sql(", ").join(self.arguments.values()))

    @property
    def source(self) -> Sql:
        """What stands between the dollar quotes."""
        remarks = [self.comment, _TEXTS_ALIKE if "TimeZone" in self.header else "", self.reason]
        made = render("source.sql", remarks=[text for text in remarks if text], body=self.body)
        return Sql("\n{}\n").format(broken(made))

    @property
    def quoted(self) -> Sql:
        """The same in dollar quotes that it cannot close."""
        return dollar(self.source)

    def statements(self, stem: str) -> list[Sql]:
        """The statements that make it, for nobody to call; its comment ends with the profile that it belongs to."""
        return [
            statement("create_function", function=self),
            statement("keep_from_public", function=self),
            statement("comment_on_function", function=self, stem=stem),
        ]
