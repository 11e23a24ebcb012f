"""Revisions of the schema: what one has to name, and the frozen copies of one that is released.

`python -m dev.schema check`       says what is wrong with the revisions, the live files and the frozen copies
`python -m dev.schema revision`    writes a revision that names what differs from the last release (`make revision`)
`python -m dev.schema release`     writes the frozen copies of the newest revision (`make release-schema`)
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from modelpack import snapshots
from modelpack.snapshots import frozen, head, live, names, newest, released

SUMS = "SHA256SUMS"
RIGHTS = "schema/rights"
"""The one script of the schema that runs again; the others run once."""
SHIPPED = "keep_shipped"
"""Has the names of all functions written into it, by RIGHTS."""


@dataclass(frozen=True)
class Revision:
    """A file of migrations/versions."""

    name: str
    installs: tuple[str, ...]
    reverts_to: dict[str, str]

    @property
    def named(self) -> set[str]:
        """All that it takes as it is in this revision."""
        return {*self.installs, *(name for name, of in self.reverts_to.items() if of == self.name)}


def revisions() -> list[Revision]:
    """All of them, oldest first."""
    found = []
    for path in sorted((snapshots.MIGRATIONS / "versions").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"revision_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise FileNotFoundError(path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        installs, reverts_to = getattr(module, "INSTALLS", ()), getattr(module, "REVERTS_TO", {})
        found.append(Revision(path.stem.split("_")[0], tuple(installs), dict(reverts_to)))
    return found


def before(name: str) -> str | None:
    """The last released revision before the newest one that installs it."""
    return next((r for r in reversed(released()) if r < head() and frozen(name, r).is_file()), None)


def changed() -> list[str]:
    """Live sources that are not what was released last, in the order in which a revision can install them."""
    return in_order(
        name for name in names() if (at := newest(name)) is None or frozen(name, at).read_text() != live(name)
    )


def gone() -> list[str]:
    """What was released, is not there any more, and was taken away by no released revision."""
    last = {
        path.relative_to(folder).with_suffix("").as_posix(): folder.name
        for folder in map(snapshots.FROZEN.joinpath, released())
        for path in folder.rglob("*.sql")
    }
    taken = {
        name
        for revision in revisions()
        if revision.name in released()
        for name in revision.reverts_to.keys() - set(revision.installs)
        if last.get(name, "") < revision.name
    }
    return sorted(last.keys() - set(names()) - taken)


def in_order(wanted: Iterable[str]) -> list[str]:
    """Scripts first, then what is new (which the others may call), then as the revisions before have it, RIGHTS last."""
    known = [name for revision in revisions() for name in revision.installs]
    place = {name: number for number, name in enumerate(known)}

    def key(name: str) -> tuple[bool, bool, int, str]:
        return name == RIGHTS, not name.startswith("schema/"), place.get(name, -1), name

    return sorted(wanted, key=key)


def faults() -> list[str]:
    """What is wrong, in sentences; empty where all is well."""
    known = revisions()
    return [
        *(fault for name in released() for fault in altered(name)),
        *(f"migrations/frozen/{r} is of no revision" for r in released() if r not in {k.name for k in known}),
        *(
            f"revision {r.name} was not released before {known[-1].name} was made, expected one revision a release; "
            f"put what it does into {known[-1].name}, or release it first"
            for r in known[:-1]
            if r.name not in released()
        ),
        *(fault for r in known if r.name in released() for fault in unlike(r)),
        *(fault for r in known for fault in astray(r)),
        *(unnamed(known[-1]) if head() not in released() else unreleased()),
    ]


def altered(revision: str) -> list[str]:
    """Frozen copies that are not what their hashes say."""
    folder = snapshots.FROZEN / revision
    sums = (folder / SUMS).read_text() if (folder / SUMS).is_file() else ""
    listed = dict(line.split("  ")[::-1] for line in sums.splitlines())
    there = {path.relative_to(folder).as_posix(): digest(path) for path in folder.rglob("*.sql")}
    return [
        f"migrations/frozen/{revision}/{name} was {'changed' if name in listed and name in there else 'added' if name in there else 'removed'}, "
        f"and {revision} is released; run: git restore migrations/frozen, and change the live file instead"
        for name in sorted(listed.keys() | there.keys())
        if listed.get(name) != there.get(name)
    ]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unlike(revision: Revision) -> list[str]:
    """A released revision names what was frozen for it, neither more nor less."""
    folder = snapshots.FROZEN / revision.name
    there = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.sql")}
    return [
        f"revision {revision.name} {'does not name' if name in there else 'names'} {name}, and was released "
        f"{'with' if name in there else 'without'} it; run: git restore migrations/versions"
        for name in sorted(there ^ revision.named)
    ]


def astray(revision: Revision) -> list[str]:
    """What it goes back to is what was there before."""
    found = []
    for name, of in revision.reverts_to.items():
        if of != revision.name and not frozen(name, of).is_file():
            found.append(f"revision {revision.name} goes back to {name} of {of}, which has none")
    for name in revision.installs:
        last = next(
            (r for r in reversed(released()) if r < revision.name and frozen(name, r).is_file()), None
        )
        said = revision.reverts_to.get(name)
        if last != said:
            found.append(
                f"revision {revision.name} goes back to {name} of {said or 'no revision'}, expected "
                + (f'"{name}": "{last}" in REVERTS_TO' if last else "none in REVERTS_TO, as it is new there")
            )
    return found


def unnamed(revision: Revision) -> list[str]:
    """What a revision that is not released yet has to name."""
    found = []
    for name in changed():
        if name.startswith("schema/") and name != RIGHTS and before(name) is not None:
            found.append(
                f"migrations/{name}.sql was changed, runs once and is released; run: git restore migrations/{name}.sql, "
                "and put what changes into a script of its own in migrations/schema"
            )
        elif name not in revision.named:
            found.append(
                f"revision {revision.name} does not install {name}, which {differs(name)}; expected it in INSTALLS"
            )
    for name in sorted(revision.named - set(names())):
        found.append(f"revision {revision.name} installs {name}, which has no live source")
    for name in gone():
        if name not in revision.reverts_to:
            found.append(
                f"{name} has no live source any more; expected revision {revision.name} to drop it, and "
                f'"{name}": "{before(name)}" in REVERTS_TO'
            )
    return found


def unreleased() -> list[str]:
    """After a release and before the next revision the live files are the released ones."""
    return [
        *(f"{name} {differs(name)}, which is released; run: make revision" for name in changed()),
        *(f"{name} has no live source any more and is released; run: make revision" for name in gone()),
    ]


def differs(name: str) -> str:
    return f"differs from that of revision {at}" if (at := newest(name)) else "no revision has"


def signatures(text: str) -> list[str]:
    """`function modelpack.chunk(…)` for each function that a text makes, by its COMMENT."""
    return re.findall(r"^comment on ((?:function|procedure) modelpack\.\w+\([^)]*\)) is", text, re.MULTILINE)


@dataclass
class Skeleton:
    """A revision that can be worked on."""

    words: str
    after: str
    installs: list[str]
    reverts_to: dict[str, str]
    drops: list[str] = field(default_factory=list)
    drops_back: list[str] = field(default_factory=list)

    @property
    def number(self) -> str:
        return f"{int(self.after) + 1:04d}"

    def text(self) -> str:
        lines = [
            f'"""{self.words[:1].upper()}{self.words[1:]}."""\n',
            "from modelpack.install import run_sql",
            "from modelpack.snapshots import snapshot\n",
            f'revision = "{self.number}"',
            f'down_revision = "{self.after}"',
            "branch_labels = None",
            "depends_on = None\n",
            "# in the order in which they need each other",
            f"INSTALLS: tuple[str, ...] = ({''.join(self._entry(name) for name in self.installs)})",
            "# and the revisions whose texts a downgrade goes back to",
            "REVERTS_TO: dict[str, str] = {"
            + "".join(f'\n    "{name}": "{of}",' for name, of in self.reverts_to.items())
            + ("\n}" if self.reverts_to else "}"),
            "\n\ndef upgrade() -> None:",
            '    """Install."""',
            *(f'    run_sql("drop {what}")' for what in self.drops),
            "    for name in INSTALLS:",
            "        run_sql(snapshot(name, revision))",
            "\n\ndef downgrade() -> None:",
            '    """Go back; what scripts of the schema made is taken away here, too."""',
            *(f'    run_sql("drop {what}")' for what in self.drops_back),
            "    for name, released in REVERTS_TO.items():",
            "        run_sql(snapshot(name, released))\n",
        ]
        return "\n".join(lines)

    def _entry(self, name: str) -> str:
        return f'\n    "{name}",' + ("\n" if name == self.installs[-1] else "")


def skeleton(words: str) -> Skeleton:
    """What differs from the last release."""
    installs, removed = changed(), gone()
    made = Skeleton(words, head(), [], {})
    texts = {
        name: frozen(name, at).read_text() if (at := newest(name)) else "" for name in [*installs, *removed]
    }
    for name, old in texts.items():
        was, will = signatures(old), signatures(live(name)) if name in installs else []
        made.drops += [signature for signature in was if signature not in will]
        made.drops_back += [signature for signature in will if signature not in was]
    if made.drops or made.drops_back or SHIPPED in installs:
        installs = in_order({*installs, SHIPPED, RIGHTS})
    made.installs = installs
    made.reverts_to = {name: at for name in [*removed, *installs] if (at := newest(name))}
    return made


def check() -> int:
    """Say what is wrong."""
    found = faults()
    for fault in found:
        print(fault)
    return 1 if found else 0


def write_revision(words: str) -> int:
    """A new revision; where there is one that is not released, what it lacks."""
    if head() not in released():
        if check():
            return 1
        print(f"revision {head()} is not released, and names all that changed: nothing to write")
        return 0
    wrong = [fault for fault in faults() if fault not in unreleased()]
    if wrong:
        print(*wrong, sep="\n")
        return 1
    made = skeleton(words)
    slug = re.sub(r"\W+", "_", words.lower()).strip("_")[:40]
    path = snapshots.MIGRATIONS / "versions" / f"{made.number}_{slug}.py"
    path.write_text(made.text())
    print(f"wrote migrations/versions/{path.name}: it installs {', '.join(made.installs) or 'nothing yet'}")
    return 0


def release() -> int:
    """Freeze what the newest revision installs."""
    revision = revisions()[-1]
    if check():
        return 1
    if revision.name in released():
        print(
            f"revision {revision.name} is released, and no live file differs from it: nothing to freeze; "
            "change a live file, then run: make revision"
        )
        return 1
    draft = snapshots.FROZEN / f".{revision.name}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name in sorted(revision.named):
        path = draft / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(live(name))
    sums = {path.relative_to(draft).as_posix(): digest(path) for path in sorted(draft.rglob("*.sql"))}
    (draft / SUMS).write_text("".join(f"{value}  {name}\n" for name, value in sums.items()))
    draft.rename(snapshots.FROZEN / revision.name)
    print(f"froze {len(sums)} files in migrations/frozen/{revision.name}; commit them with the release")
    print("a later change of a live file needs a new revision: make revision")
    return 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m dev.schema", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["check", "revision", "release"])
    parser.add_argument(
        "--words", default="changes", help="what the revision does, for its name and its first line"
    )
    options = parser.parse_args(arguments)
    if options.what == "revision":
        return write_revision(options.words)
    if options.what == "release":
        return release()
    return check()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
