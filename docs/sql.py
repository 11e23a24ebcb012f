"""The page of the schema, from the COMMENTs in the live sources of what migrations install."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from modelpack import snapshots

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUBJECTS = snapshots.MIGRATIONS / "subjects.toml"
# what members of modelpack_owner call themselves, beside what hands on who calls; all else is called by code
BY_HAND = {"erase", "detach", "detach_dropped", "run_as", "runs_as"}

HEAD = """# The schema modelpack

This page is generated from the comments in `migrations/functions`, `migrations/schema` and `plpython` (`make docs`).
In psql `\\d+` and `\\df+` show the same comments.

Everything lies in the schema `modelpack`. The functions of a profile are not here: they are generated from its
declaration, and their comments end with the profile's name in brackets ([how to read them](generated/README.md)).

Under "Others" a subject has functions that nobody calls by hand: steps of the functions above them, of triggers, and of
the scripts that `modelpack apply` and `modelpack remove` run.
"""

_COMMENT = re.compile(r"^comment on (\w+) ([^;]*?) is\s+'((?:[^']|'')*)';", re.MULTILINE)
_ROUTINE = re.compile(
    r"^create or replace (function|procedure) modelpack\.(\w+)\((.*?)\)\s*(?:returns (.*?))?\s*\n?language ",
    re.MULTILINE | re.DOTALL,
)
_GRANT = re.compile(r"^grant execute on (?:function|procedure) ([^;]*?)\s+to ([^;]*);", re.MULTILINE)
_SETTING = re.compile(r"^  \('(\w+)', '([^']*)', '((?:[^']|'')*)'\)", re.MULTILINE)


@dataclass(frozen=True)
class Routine:
    """A function or procedure; roles are those that may call it beside modelpack_owner."""

    name: str
    call: str
    returns: str | None
    comment: str
    roles: tuple[str, ...]

    @property
    def for_the_caller(self) -> bool:
        """Whether it takes who calls as its first argument: the function that users call hands on to it."""
        return f"modelpack.{self.name}(me modelpack.me" in self.call


def subjects() -> dict[str, dict[str, str]]:
    """The titles of the subjects, and the subject of each function and of each table or view."""
    known: dict[str, dict[str, str]] = tomllib.loads(SUBJECTS.read_text())
    folders = {
        name: path.parent.name
        for name, path in snapshots.files().items()
        if path.is_relative_to(snapshots.FUNCTIONS)
    }
    return {**known, "functions": dict(sorted({**folders, **known.pop("plpython")}.items()))}


def schema() -> str:
    """The roles, tables and views as they were made, and all that was ever added."""
    return "\n".join(snapshots.live(name) for name in snapshots.names() if name.startswith("schema/"))


def _plain(text: str) -> str:
    return text.replace("''", "'")


def comments(text: str) -> list[tuple[str, str, str]]:
    """(kind, object, comment) for each COMMENT in some SQL, in order."""
    return [(kind, name, _plain(comment)) for kind, name, comment in _COMMENT.findall(text)]


def every_routine() -> list[Routine]:
    """The functions and procedures that migrations install, by name."""
    texts = [snapshots.live(name) for name in snapshots.names()]
    granted: dict[str, set[str]] = {}
    for text in texts:
        for names, roles in _GRANT.findall(text):
            for name in re.findall(r"modelpack\.(\w+)\(", names):
                granted.setdefault(name, set()).update(re.findall(r"modelpack_\w+", roles))
    found = []
    for text in texts:
        # functions of one name have their comments in the order of their making
        said: dict[str, list[str]] = {}
        for kind, name, comment in comments(text):
            if kind in ("function", "procedure"):
                said.setdefault(name.split("(")[0].strip(), []).append(comment)
        for kind, name, arguments, returns in _ROUTINE.findall(text):
            roles = tuple(sorted(granted.get(name, set()) - {"modelpack_owner"}))
            call = f"{'call ' if kind == 'procedure' else ''}modelpack.{name}({' '.join(arguments.split())})"
            comment = said[f"modelpack.{name}"].pop(0)
            found.append(Routine(name, call, " ".join(returns.split()) or None, comment, roles))
    return sorted(found, key=lambda routine: routine.name)


def routines() -> list[Routine]:
    """Those that roles other than the owner may call."""
    return [routine for routine in every_routine() if routine.roles]


def relations() -> list[tuple[str, str]]:
    """(table or view, name) of all in the schema."""
    return re.findall(r"^create (table|view) modelpack\.(\w+)", schema(), re.MULTILINE)


def _slug(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def _link(name: str, heading: str) -> str:
    return f"[{name}](#{_slug(heading)})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _is_called_by_people(overloads: list[Routine]) -> bool:
    hands_on = len({r.for_the_caller for r in overloads}) == 2
    return hands_on or any(r.roles or r.name in BY_HAND for r in overloads)


def _entry(overloads: list[Routine]) -> str:
    """One entry for all functions of a name; those that take who calls stand below it in small print."""
    parts = [f"\n### {overloads[0].name}\n"]
    for routine in (r for r in overloads if not r.for_the_caller):
        returns = f" returns {routine.returns}" if routine.returns else ""
        parts.append(f"\n```\n{routine.call}{returns}\n```\n\n{routine.comment}\n")
    roles = ", ".join(f"`{role}`" for role in overloads[0].roles or ["modelpack_owner"])
    parts.append(f"\nMay be called by {roles}.\n")
    for routine in (r for r in overloads if r.for_the_caller):
        parts.append(
            f"\n<sub>Hands on to `{routine.call}`, with a row of `modelpack.me` that proves who calls.</sub>\n"
        )
    return "".join(parts)


def _others(others: list[Routine]) -> str:
    """A table of the functions of a subject that the owner alone may call."""
    rows = [f"| `{_cell(routine.call)}` | {_cell(routine.comment)} |\n" for routine in others]
    return "".join(
        ["\n<details>\n<summary>Others</summary>\n\n| | |\n| --- | --- |\n", *rows, "\n</details>\n"]
    )


def page() -> str:
    """The page as Markdown."""
    scripts = schema()
    said = comments(scripts)
    known = subjects()
    kinds = {name: kind for kind, name in relations()}
    called: dict[str, list[Routine]] = {}
    for routine in every_routine():
        called.setdefault(routine.name, []).append(routine)
    about = {name: comment for kind, name, comment in said if kind in ("table", "view")}
    columns: dict[str, list[tuple[str, str]]] = {}
    for kind, name, comment in said:
        if kind == "column":
            table, _, column = name.rpartition(".")
            columns.setdefault(table, []).append((column, comment))

    contents = ["\n## Contents\n\n- [Roles](#roles)\n"]
    parts = ["\n## Roles\n\nNone can log in; grant them to roles that can.\n\n| | |\n| --- | --- |\n"]
    parts += [f"| `{name}` | {comment} |\n" for kind, name, comment in said if kind == "role"]
    for subject, title in known["subjects"].items():
        functions = [called[name] for name, of in known["functions"].items() if of == subject]
        listed = [overloads for overloads in functions if _is_called_by_people(overloads)]
        others = [r for overloads in functions if overloads not in listed for r in overloads]
        tables = [name for name, of in known["tables"].items() if of == subject]
        links = [_link(overloads[0].name, overloads[0].name) for overloads in listed]
        links += [_link(name, f"{kinds[name]} {name}") for name in tables]
        contents.append(f"- {_link(title, title)}{': ' if links else ''}{', '.join(links)}\n")
        parts.append(f"\n## {title}\n")
        parts += [_entry(overloads) for overloads in listed]
        for name in tables:
            comment = about[f"modelpack.{name}"]
            parts.append(f"\n### {kinds[name]} {name}\n\n{comment[0].upper()}{comment[1:]}.\n")
            if rows := columns.get(f"modelpack.{name}"):
                parts.append("\n| column | |\n| --- | --- |\n")
                parts += [f"| `{column}` | {text} |\n" for column, text in rows]
            if name == "setting":
                parts.append(
                    "\nIts rows; change one with an UPDATE as a member of `modelpack_owner`.\n"
                    "\n| name | value | |\n| --- | --- | --- |\n"
                )
                parts += [
                    f"| `{setting}` | `{value}` | {_plain(text)} |\n"
                    for setting, value, text in _SETTING.findall(scripts)
                ]
        if others:
            parts.append(_others(others))
    return "".join([HEAD, *contents, *parts])
