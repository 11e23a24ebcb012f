"""What `modelpack publish` takes besides joblib files: ONNX of any origin and models of MLflow's; what is neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pandas as pd
import pytest
import sklearn
import sklearn.base
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelpack import Registry
from tests.acceptance.test_cli import Shell
from tests.example import model, sample


@pytest.fixture
def shell(database: str) -> Shell:
    return Shell(database)


def network() -> bytes:
    """p = softmax(x · w): complaints and spend to two classes, as a network's export looks."""
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["input", "fc.weight", "fc.bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "main_graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(np.array([[0.0, 0.4], [0.0, -0.01]], np.float32), "fc.weight"),
            numpy_helper.from_array(np.array([0.0, 0.1], np.float32), "fc.bias"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(made.SerializeToString())


def expected(rows: pd.DataFrame) -> Any:
    return 1 / (1 + np.exp(-(0.4 * rows["complaints"] - 0.01 * rows["spend"] + 0.1)))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with net.onnx, rows.csv with a column `want`, and want.csv."""
    (tmp_path / "net.onnx").write_bytes(network())
    rows = sample()
    rows.assign(want=expected(rows)).to_csv(tmp_path / "rows.csv", index=False)
    expected(rows).rename("p").to_csv(tmp_path / "want.csv", index=False)
    return tmp_path


def test_a_network_scores_as_its_file_does(shell: Shell, files: Path) -> None:
    given = ("publish", str(files / "net.onnx"), "--name", "churn", "--sample", str(files / "rows.csv"))
    said = shell.run(*given, "--expected", "want", "--positive-class", "1", "--promote")
    assert "churn version 1 is published and scores now." in said
    assert "Largest difference from what is expected: " in said
    inputs = {"complaints": 3.0, "spend": 50.0}
    score = Registry(shell.dsn).predict("churn", inputs)
    assert score == pytest.approx(float(expected(pd.DataFrame([inputs]))[0]), abs=1e-6)
    version = shell.json(
        *given,
        "--expected",
        str(files / "want.csv"),
        "--inputs",
        "complaints, spend",
        "--output",
        "probabilities",
    )
    assert version["signature"]["output"] == {"name": "score", "kind": "probability", "class": "1"}
    assert version["lineage"]["onnx"]["file"] == "net.onnx"
    assert version["parity"]["route"] == "onnx file"


@pytest.mark.usefixtures("here")
def test_publish_says_what_the_score_is_and_which_scikit_learn_fitted_it(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sample()
    words = np.where(rows["spend"] > rows["spend"].median(), "gone", "stays")
    fitted = LogisticRegression(max_iter=2000).fit(rows[["complaints", "spend"]], words)
    rows.to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr(sklearn.base, "__version__", "1.2.2")
    joblib.dump(fitted, tmp_path / "m.joblib")
    monkeypatch.undo()
    arguments = ("publish", str(tmp_path / "m.joblib"), "--sample", str(tmp_path / "rows.parquet"))
    said = " ".join(shell.run(*arguments, "--name", "words").split())
    assert "Score: probability of 'stays', between 0 and 1; no positive class was named" in said
    assert "--positive-class" in said
    shown = shell.json("show", "words")
    assert shown["lineage"]["fitted_with"] == {"scikit-learn": "1.2.2"}
    assert shown["libraries"]["scikit-learn"] == sklearn.__version__
    assert shown["lineage"]["score"].startswith("probability of 'stays'")
    named = " ".join(shell.run(*arguments, "--name", "named", "--positive-class", "gone").split())
    assert "Score: probability of 'gone', between 0 and 1." in named


@pytest.mark.usefixtures("here")
def test_a_network_that_gives_something_else_is_refused(shell: Shell, files: Path) -> None:
    given = ("publish", str(files / "net.onnx"), "--name", "churn", "--sample", str(files / "rows.csv"))
    assert "--expected" in shell.refused(*given)
    wrong = (*given, "--expected", "want", "--inputs", "spend,complaints")
    assert "does not give the expected outputs" in shell.refused(*wrong)
    assert "neither a column of the sample (complaints, spend, want) nor" in shell.refused(
        *given, "--expected", "p"
    )
    assert "has the columns complaints, spend, want" in shell.refused(
        *given, "--expected", str(files / "rows.csv")
    )
    assert "there is no model churn" in shell.refused("list", "churn")
    accepted = shell.json(*wrong, "--accept", "the columns are fed the other way round")
    assert accepted["parity"]["accepted"] == "the columns are fed the other way round"


@pytest.mark.usefixtures("here")
def test_what_is_for_files_alone_is_refused_with_an_estimator(shell: Shell, files: Path) -> None:
    joblib.dump(model(), files / "model.joblib")
    given = ("publish", str(files / "model.joblib"), "--name", "churn", "--sample", str(files / "rows.csv"))
    assert "--expected, --inputs is for .onnx and .pmml files" in shell.refused(
        *given, "--expected", "want", "--inputs", "complaints"
    )
    assert "single output: leave out --output" in shell.refused(*given, "--output", "p")
    assert "There is no sample" in shell.refused(*given[:4])


@pytest.mark.usefixtures("here")
def test_a_file_that_was_exported_is_imported_instead(shell: Shell, files: Path) -> None:
    registry = Registry(shell.dsn)
    registry.publish(network(), name="churn", sample=sample(), expected=expected(sample()))
    registry.export("churn", 1, files / "again.onnx")
    given = ("publish", str(files / "again.onnx"), "--name", "churn", "--sample", str(files / "rows.csv"))
    assert "modelpack import" in shell.refused(*given, "--expected", "want")
    assert registry.import_file(files / "again.onnx").version == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", b"complaints,spend\n1,2\n", "it is a text file that begins with 'complaints,spend'"),
        ("note.txt", "grüße\n".encode(), "it is a text file that begins with 'grüße'"),
        ("rows.parquet", b"PAR1\x15\x04", "it is a parquet file"),
        ("model.pt", b"PK\x03\x04rest", "it is a zip archive"),
        ("nothing.joblib", b"", "it is empty"),
        ("noise.joblib", bytes(range(128, 255)), "it cannot be unpickled"),
        ("rows.onnx", b"complaints,spend\n1,2\n", "The file is no ONNX model"),
    ],
)
@pytest.mark.usefixtures("here")
def test_files_that_are_no_models_are_named_for_what_they_are(
    shell: Shell, files: Path, name: str, content: bytes, said: str
) -> None:
    (files / "other").mkdir()
    (files / "other" / name).write_bytes(content)
    given = ("publish", str(files / "other" / name), "--name", "churn", "--sample", str(files / "rows.csv"))
    assert said in shell.refused(*given, *(("--expected", "want") if name.endswith("onnx") else ()))


def test_a_folder_that_mlflow_did_not_write_is_refused(shell: Shell, files: Path) -> None:
    given = ("publish", str(files), "--name", "churn", "--sample", str(files / "rows.csv"))
    assert "without a file MLmodel" in shell.refused(*given)


@pytest.mark.usefixtures("here")
def test_distances_to_neighbours_pass_the_server_s_gate(shell: Shell) -> None:
    rows = sample()
    estimator = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(rows, rows["complaints"] > 2)
    registry = Registry(shell.dsn)
    registry.publish(estimator, name="churn", sample=rows, promote=True)
    row = rows.iloc[[7]]
    assert registry.predict("churn", row.iloc[0].to_dict()) == pytest.approx(
        estimator.predict_proba(row)[0, 1]
    )


class TestMlflow:
    """Model folders that MLflow wrote."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder with a model of the flavour sklearn, its input example of 80 rows, and the number of its run."""
        pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'modelpack[mlflow]'")
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow.sklearn
        from mlflow.models import Model

        kept = Model(run_id="0123456789abcdef0123456789abcdef")
        rows = sample()
        mlflow.sklearn.save_model(
            model(), tmp_path / "kept", mlflow_model=kept, input_example=rows, pip_requirements=[]
        )
        return tmp_path / "kept"

    @pytest.mark.filterwarnings("ignore")
    def test_its_example_is_the_sample_and_its_run_is_lineage(self, shell: Shell, folder: Path) -> None:
        version = shell.json("publish", str(folder), "--name", "churn", "--promote")
        origin = version["lineage"]["mlflow"]
        assert origin["run_id"] == "0123456789abcdef0123456789abcdef"
        assert origin["source"] == "kept"
        assert version["parity"]["rows"] == 80
        row = sample().iloc[0].to_dict()
        found = Registry(shell.dsn).predict("churn", row)
        assert found == pytest.approx(model().predict_proba(pd.DataFrame([row]))[0, 1], abs=1e-5)

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.usefixtures("here")
    def test_mlflow_s_own_ban_on_unpickling_holds(self, shell: Shell, folder: Path) -> None:
        said = shell.run(
            "publish", str(folder), "--name", "churn", code=2, MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false"
        )
        assert "MLFLOW_ALLOW_PICKLE_DESERIALIZATION" in said

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.usefixtures("here")
    def test_an_onnx_flavour_needs_expected_outputs(self, shell: Shell, folder: Path, files: Path) -> None:
        import yaml

        facts = yaml.safe_load((folder / "MLmodel").read_text())
        facts["flavors"] = {"onnx": {"data": "net.onnx", "onnx_version": onnx.__version__}}
        (folder / "MLmodel").write_text(yaml.safe_dump(facts))
        (folder / "net.onnx").write_bytes(network())
        given = ("publish", str(folder), "--name", "churn", "--sample", str(files / "rows.csv"))
        assert "--expected" in shell.refused(*given)
        assert shell.json(*given, "--expected", "want")["lineage"]["mlflow"]["run_id"]
        facts["flavors"] = {"spacy": {}}
        (folder / "MLmodel").write_text(yaml.safe_dump(facts))
        assert "flavour(s) spacy: expected sklearn, lightgbm, xgboost or onnx" in shell.refused(*given)

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.usefixtures("here")
    def test_a_run_of_a_tracking_store_gives_its_metrics(
        self, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'modelpack[mlflow]'")
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        import mlflow.sklearn

        with mlflow.start_run(run_name="spring") as run:
            mlflow.log_metric("auc", 0.81)
            made = mlflow.sklearn.log_model(
                model(), name="churn", input_example=sample(), pip_requirements=[]
            )
        version = shell.json("publish", made.model_uri, "--name", "churn")
        assert version["metrics"] == {"auc": 0.81}
        assert version["lineage"]["mlflow"]["run_id"] == run.info.run_id
        assert version["lineage"]["mlflow"]["run_name"] == "spring"


def test_no_mlflow_is_said_with_its_extra(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert "pip install 'modelpack[mlflow]'" in shell.refused("publish", str(tmp_path), "--name", "churn")
    assert Registry(shell.dsn).versions() == []
