"""The page of the schema, from the COMMENTs in the newest snapshots of what migrations install."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelpack.snapshots import SNAPSHOTS, newest

HEAD = """# The schema modelpack

This page is generated from the comments in `migrations/sql` (`make docs`). In psql `\\d+` and `\\df+` show the same.

Everything lies in the schema `modelpack`. What is not listed here is called by the functions here or by triggers, and
belongs to `modelpack_owner` alone. The functions of a profile are generated from its declaration; their comments end
with the profile's name in brackets.
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
    """A function or procedure that some role may call."""

    name: str
    call: str
    returns: str | None
    comment: str
    roles: tuple[str, ...]


def _snapshots() -> dict[str, str]:
    """Text of the newest snapshot of each function; of the schema and the rights, all that was ever added."""
    found = {}
    for folder in sorted(path for path in SNAPSHOTS.iterdir() if path.is_dir()):
        if folder.name.startswith("_"):
            found[folder.name] = "\n".join(path.read_text() for path in sorted(folder.glob("v*.sql")))
        elif path := newest(folder.name):
            found[folder.name] = path.read_text()
    return found


def _plain(text: str) -> str:
    return text.replace("''", "'")


def comments(text: str) -> list[tuple[str, str, str]]:
    """(kind, object, comment) for each COMMENT in some SQL, in order."""
    return [(kind, name, _plain(comment)) for kind, name, comment in _COMMENT.findall(text)]


def routines() -> list[Routine]:
    """The functions and procedures that roles other than the owner may call, by name."""
    texts = _snapshots()
    granted: dict[str, set[str]] = {}
    for text in texts.values():
        for names, roles in _GRANT.findall(text):
            for name in re.findall(r"modelpack\.(\w+)\(", names):
                granted.setdefault(name, set()).update(re.findall(r"modelpack_\w+", roles))
    found = []
    for text in texts.values():
        said: dict[
            str, list[str]
        ] = {}  # functions of one name have their comments in the order of their making
        for _, name, comment in comments(text):
            said.setdefault(name.split("(")[0].strip(), []).append(comment)
        for kind, name, arguments, returns in _ROUTINE.findall(text):
            roles = tuple(sorted(granted.get(name, set()) - {"modelpack_owner"}))
            if roles:
                call = (
                    f"{'call ' if kind == 'procedure' else ''}modelpack.{name}({' '.join(arguments.split())})"
                )
                comment = said[f"modelpack.{name}"].pop(0)
                found.append(Routine(name, call, " ".join(returns.split()) or None, comment, roles))
    return sorted(found, key=lambda routine: routine.name)


def page() -> str:
    """The page as Markdown."""
    schema = _snapshots()["_schema"]
    said = comments(schema)
    parts = [HEAD, "\n## Roles\n\nNone can log in; grant them to roles that can.\n\n| | |\n| --- | --- |\n"]
    parts += [f"| `{name}` | {comment} |\n" for kind, name, comment in said if kind == "role"]
    parts.append("\n## Functions and procedures\n")
    for routine in routines():
        returns = f" returns {routine.returns}" if routine.returns else ""
        roles = ", ".join(f"`{role}`" for role in routine.roles)
        parts.append(
            f"\n### {routine.name}\n\n```\n{routine.call}{returns}\n```\n\n{routine.comment}\n\nMay be called by {roles}.\n"
        )
    parts.append("\n## Tables and views\n")
    columns: dict[str, list[tuple[str, str]]] = {}
    for kind, name, comment in said:
        if kind == "column":
            table, _, column = name.rpartition(".")
            columns.setdefault(table, []).append((column, comment))
    for kind, name, comment in said:
        if kind in ("table", "view"):
            parts.append(f"\n### {name.removeprefix('modelpack.')}\n\n{comment[0].upper()}{comment[1:]}.\n")
            if rows := columns.get(name):
                parts.append("\n| column | |\n| --- | --- |\n")
                parts += [f"| `{column}` | {text} |\n" for column, text in rows]
    parts.append(
        "\n## Settings\n\nRows of `modelpack.setting`; change one with an UPDATE as a member of `modelpack_owner`.\n"
    )
    parts.append("\n| name | value | |\n| --- | --- | --- |\n")
    parts += [
        f"| `{name}` | `{value}` | {_plain(text)} |\n" for name, value, text in _SETTING.findall(schema)
    ]
    return "".join(parts)
