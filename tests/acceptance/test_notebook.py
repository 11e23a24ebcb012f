"""A model published from a notebook, which Jupyter's own kernel runs: what its cells show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FIT = """
import numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
from modelpack import Registry
random = np.random.default_rng(7)
rows = pd.DataFrame({"complaints": random.integers(0, 6, 80) * 1.0, "spend": random.gamma(2.0, 50.0, 80)})
estimator = LogisticRegression().fit(rows, rows["complaints"] > 2)
registry = Registry(DSN)
"""

LISTEN = """
from IPython import get_ipython
shown = []
publisher = get_ipython().display_pub
publish = publisher.publish
def heard(data, *arguments, **named):
    shown.append(data.get("text/html", ""))
    return publish(data, *arguments, **named)
publisher.publish = heard
"""

EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300, kernel_name="python3", allow_errors=True).execute()
nbformat.write(notebook, sys.argv[1])
"""


def executed(folder: Path, *cells: str) -> list[list[Any]]:
    """The outputs of each cell."""
    document = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{n}",
                "metadata": {},
                "source": cell,
                "outputs": [],
                "execution_count": None,
            }
            for n, cell in enumerate(cells)
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    file = folder / "notebook.ipynb"
    file.write_text(json.dumps(document))
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(file)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return [cell["outputs"] for cell in json.loads(file.read_text())["cells"]]


def html(output: Any) -> str:
    return "".join(output["data"]["text/html"])


def test_a_notebook_shows_how_far_a_publication_is_and_versions_as_tables(
    database: str, tmp_path: Path
) -> None:
    outputs = executed(
        tmp_path,
        f"DSN = {database!r}{FIT}{LISTEN}",
        "registry.publish(estimator, name='churn', sample=rows, metrics={'auc': 0.81}, note='<b>bold</b>', promote=True)",
        "registry.versions()",
        "print(repr(registry.version('churn')))\nprint(shown)",
        "registry.publish(estimator, name='churn', sample=rows.drop(columns='spend'))",
    )
    bar, version = outputs[1]
    assert html(bar) == '<progress value="6" max="6"></progress> publishing churn: done'
    assert '<td style="text-align:left">&lt;b&gt;bold&lt;/b&gt;</td>' in html(version)
    (versions,) = outputs[2]
    assert ">champion</td>" in html(versions)
    assert ">auc=0.81</td>" in html(versions)
    said, shown = "".join(outputs[3][0]["text"]).splitlines()
    assert said.startswith("<churn version 1 (champion), published ")
    assert said.endswith(", auc=0.81>")
    assert "converting the estimator (float32)" in shown
    assert "storing it, which the server tries first" in shown
    bar, refusal = outputs[4]
    assert html(bar).endswith("publishing churn: refused")
    assert refusal["ename"] == "PackagingError"


def test_outside_of_a_notebook_nothing_is_shown(database: str) -> None:
    code = f"DSN = {database!r}{FIT}registry.publish(estimator, name='churn', sample=rows)\nimport sys\nassert 'IPython' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
