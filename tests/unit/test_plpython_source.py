"""The renderer of PL/Python: what a function reads stands in its body, in order, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from modelpack import plpython_source
from modelpack.plpython_source import RenderError, body, functions, program, render

SHARED = '''
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

# a limit
# of two lines
LIMIT = 3
OTHER = 4

class Base:
    """What a DBA reads."""
    def twice(self) -> Any:
        return json.dumps(2 * LIMIT)

class Unused(Base):
    root = math.pi

class Made(Base):
    def other(self, of: "Made") -> Callable[[], Iterator[int]]:
        found: Unknown = helper(self)
        return found

def helper(made: Made) -> str:
    OTHER = "its own"
    return OTHER
'''


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(plpython_source, "PLPYTHON", tmp_path / "plpython")
    (tmp_path / "plpython" / "inner").mkdir(parents=True)
    (tmp_path / "plpython" / "__init__.py").touch()
    return tmp_path / "plpython"


def write(files: Path, name: str, text: str) -> None:
    files.joinpath(name).with_suffix(".py").write_text(textwrap.dedent(text))


def live(files: Path, statements: str, above: str = "", arguments: str = "plpy, GD, given") -> str:
    text = f"{above}\nSQL = '''as {{body}};'''\ndef f({arguments}):\n    'what it does'\n"
    files.joinpath("f.py").write_text(text + textwrap.indent(textwrap.dedent(statements), "    "))
    return body("f")


def run(text: str, **given: Any) -> Any:
    """As PL/Python runs it: the body of one function, its arguments global."""
    names: dict[str, Any] = dict(given)
    exec("def f():\n" + textwrap.indent(text, "\t"), names)
    return names["f"]()


def test_what_a_function_reads_stands_before_it_and_nothing_else(files: Path) -> None:
    write(files, "inner/shared", SHARED)
    found = live(files, "return Made().twice() + given", "from plpython.inner.shared import Made, OTHER")
    assert found.splitlines() == [
        *["import json", "from collections.abc import Callable, Iterator", "from typing import Any", ""],
        *["# from plpython/inner/shared.py", "# a limit", "# of two lines", "LIMIT = 3", ""],
        *["class Base:", '    """What a DBA reads."""', "    def twice(self) -> Any:"],
        *["        return json.dumps(2 * LIMIT)", "", "class Made(Base):"],
        *['    def other(self, of: "Made") -> Callable[[], Iterator[int]]:'],
        *["        found: Unknown = helper(self)", "        return found", ""],
        *["def helper(made: Made) -> str:", '    OTHER = "its own"', "    return OTHER", ""],
        "return Made().twice() + given",
    ]
    assert run(found, given="!") == "6!"


def test_a_function_that_reads_nothing_is_its_statements_alone(files: Path) -> None:
    write(files, "inner/shared", SHARED)
    assert (
        live(files, "x: Made = given\nreturn x", "from plpython.inner.shared import Made")
        == "x: Made = given\nreturn x"
    )


def test_files_that_others_import_from_come_first(files: Path) -> None:
    write(files, "low", "def low(n): return n + 1\n")
    write(files, "high", "from plpython.low import low\nCONSTANT = low(1)\n")
    found = live(
        files,
        "return CONSTANT + own()",
        "from plpython.high import CONSTANT\nfrom plpython.low import low\ndef own(): return low(0)",
    )
    assert found.index("def low") < found.index("CONSTANT = low(1)") < found.index("def own")
    assert run(found) == 3


def test_a_function_of_the_package_is_taken_too(files: Path) -> None:
    found = live(files, "return pack_texts([given], [{}])", "from modelpack.packager.texts import pack_texts")
    assert "# from modelpack/packager/texts.py\ndef pack_texts(" in found
    assert run(found, given="a") == ["a"]


def test_what_outlives_the_call_works_when_its_arguments_are_gone(files: Path) -> None:
    above = (
        "import math\nclass Kept:\n    def __init__(self, n): self.n = n\n"
        "    def root(self): return math.sqrt(self.n) + len(helper())\ndef helper(): return [Kept(1)]"
    )
    names: dict[str, Any] = {"given": 9, "GD": {}}
    exec("def f():\n" + textwrap.indent(live(files, "GD['kept'] = Kept(given)", above), "\t"), names)
    names.pop("f")()
    del names["given"]
    assert names["GD"]["kept"].root() == 4.0


def test_a_program_has_what_it_needs(files: Path) -> None:
    write(files, "shared", "import json\nclass Answer:\n    def __str__(self): return json.dumps([1, 2])\n")
    above = "from plpython import source_of\nfrom plpython.shared import Answer\ndef child():\n    print(Answer())"
    found = live(files, "return source_of(child) + '\\nchild()'", above)
    assert "Answer" not in found.split("return")[0]
    text = run(found)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 2]\n"
    assert text == program(files / "f.py", "child") + "\nchild()"
    write(files, "apart", above)
    above = "from plpython import source_of\nfrom plpython.apart import child"
    assert live(files, "return source_of(child) + '\\nchild()'", above) == found


REFUSED = {
    "a variable of the name of what is needed": (
        "low = 1\nreturn high()",
        "def low(): return 1\ndef high(): return low()",
        "has a variable low",
    ),
    "an argument of the name of what is needed": (
        "return high()",
        "def given(): return 1\ndef high(): return given()",
        "has a variable given",
    ),
    "an import of the name of what is needed": (
        "import json\nreturn high()",
        "import json\ndef high(): return json",
        "has a variable json",
    ),
    "an argument that is assigned": ("given = 1", "", "assigns its argument given"),
    "one name in two files": (
        "return first() + helper()",
        "from plpython.a import first\ndef helper(): return 2",
        "helper is defined in",
    ),
    "two imports of one name": (
        "return first() + loads()",
        "from plpython.a import first\ndef loads(): return json\nimport simplejson as json",
        "json means two things",
    ),
    "another name for what is ours": (
        "return one()",
        "from plpython.a import first as one",
        "keeps its name",
    ),
    "a module of ours as a whole": (
        "return plpython.a.first()",
        "import plpython.a",
        "expected from",
    ),
    "what a file does not define": (
        "return second()",
        "from plpython.a import second",
        "does not define",
    ),
    "a program of what has no name": (
        "return source_of(f'{given}')",
        "from plpython import source_of",
        "reads source_of",
    ),
    "what is ours within a function": (
        "from plpython.a import first\nreturn first()",
        "",
        "imported at the top",
    ),
}


@pytest.mark.parametrize(("statements", "above", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_one_body_is_refused(files: Path, statements: str, above: str, words: str) -> None:
    write(files, "a", "import json\ndef first(): return json.dumps(helper())\ndef helper(): return 1\n")
    with pytest.raises(RenderError, match=words):
        live(files, statements, above)


@pytest.mark.parametrize("name", functions())
def test_a_live_function_is_python_and_leaves_nothing_of_ours_behind(name: str) -> None:
    tree = ast.parse("def f():\n" + textwrap.indent(body(name), "\t"))
    imported = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not [m for m in imported if str(m).split(".")[0] in plpython_source.OURS]
    assert "source_of(" not in render(name)


@pytest.mark.parametrize("name", ["score", "score_many", "failure"])
def test_a_function_that_each_event_calls_makes_nothing_first(name: str) -> None:
    assert not [
        line for line in body(name).splitlines() if line.startswith(("import", "from", "class", "def"))
    ]
