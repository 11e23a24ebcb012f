"""Files of another scikit-learn, of a notebook's own classes, and of CatBoost's."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pandas as pd
import pytest
import sklearn.base
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from modelpack.errors import PackagingError
from modelpack.packager import Publication, load_model, open_model, package
from modelpack.packager.graph.runtime import Runner
from modelpack.packager.process.child import run_in_child
from modelpack.packager.process.pickling import pickled
from modelpack.packager.sources.files import other_versions
from modelpack.packager.sources.pickled import own_class, sklearn_version

from .conftest import NUMBERS


@pytest.fixture
def fitted(customers: pd.DataFrame, gone: Any) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(customers[NUMBERS], gone)


@pytest.fixture
def as_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets files say that another scikit-learn wrote them."""

    def say(version: str) -> None:
        monkeypatch.setattr(sklearn.base, "__version__", version)

    return say


class TestVersion:
    @pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
    def test_a_joblib_file_is_read_without_being_loaded(
        self, tmp_path: Path, fitted: Any, as_of: Any, compress: Any
    ) -> None:
        as_of("1.2.2")
        joblib.dump(fitted, tmp_path / "m.joblib", compress=compress)
        assert sklearn_version(tmp_path / "m.joblib") == "1.2.2"

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_a_pickle_of_any_protocol_says_it(
        self, tmp_path: Path, fitted: Any, as_of: Any, protocol: int
    ) -> None:
        as_of("0.24.dev0")
        (tmp_path / "m.pkl").write_bytes(pickle.dumps(fitted, protocol=protocol))
        assert sklearn_version(tmp_path / "m.pkl") == "0.24.dev0"

    @settings(max_examples=30, deadline=None)
    @given(st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\x00", b"x\x9c"]))
    def test_a_file_of_anything_says_nothing(self, content: bytes, head: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "m").write_bytes(head + content)
            assert sklearn_version(Path(folder) / "m") is None

    def test_it_is_kept_with_what_was_opened(self, tmp_path: Path, fitted: Any, as_of: Any) -> None:
        as_of("1.2.2")
        joblib.dump(fitted, tmp_path / "m.joblib")
        as_of("1.9.1")
        opened = open_model(tmp_path / "m.joblib")
        assert opened.lineage["fitted_with"] == {"scikit-learn": "1.2.2"}
        assert "scikit-learn 1.2.2 (here is" in str(other_versions(opened.lineage["fitted_with"]))

    def test_nothing_is_said_of_the_same_version(self, tmp_path: Path, fitted: Any) -> None:
        joblib.dump(fitted, tmp_path / "m.joblib")
        assert other_versions(open_model(tmp_path / "m.joblib").lineage["fitted_with"]) is None

    @pytest.mark.usefixtures("here")
    def test_what_goes_wrong_later_names_it_as_a_reason(
        self, tmp_path: Path, fitted: Any, as_of: Any, customers: pd.DataFrame
    ) -> None:
        """As an imputer of 1.5 does: it loads, and lacks an attribute once it is asked."""
        del fitted[0].scale_
        as_of("1.5.2")
        joblib.dump(fitted, tmp_path / "m.joblib")
        as_of("1.9.1")
        opened = open_model(tmp_path / "m.joblib")
        with (
            pytest.raises(
                PackagingError,
                match=r"scale_.*fitted with scikit-learn 1\.5\.2.*may be the reason.*--expected",
            ),
            opened.blamed(),
        ):
            package(opened.model, customers)

    def test_a_file_that_cannot_be_loaded_says_what_to_install(
        self, tmp_path: Path, fitted: Any, as_of: Any
    ) -> None:
        as_of("0.20.3")
        content = pickle.dumps(fitted, protocol=4)
        renamed = content.replace(
            b"\x8c\x1bsklearn.preprocessing._data", b"\x8c\x1bsklearn.preprocessing.dataX"
        )
        assert renamed != content
        (tmp_path / "m.pkl").write_bytes(renamed)
        with pytest.raises(
            PackagingError, match=r"scikit-learn 0\.20\.3 \(here is .*Install scikit-learn==0\.20\.3"
        ):
            load_model(tmp_path / "m.pkl")


def halve(values: Any) -> Any:
    return values / 2


class TestOwnCode:
    """Classes and functions of a notebook: no other process finds them."""

    def test_a_function_without_a_name_is_named_so(self) -> None:
        with pytest.raises(PackagingError, match=r"uses a lambda, defined in .*declaration compute"):
            pickled(FunctionTransformer(lambda x: x / 2))

    @pytest.mark.parametrize("thing", [halve, LogisticRegression])
    def test_what_a_main_script_defines_is_named(self, monkeypatch: pytest.MonkeyPatch, thing: Any) -> None:
        monkeypatch.setattr(thing, "__module__", "__main__")
        with pytest.raises(PackagingError, match=f"{thing.__name__}, defined in this notebook or script"):
            run_in_child(10.0, None, print, FunctionTransformer(halve), LogisticRegression())

    def test_a_file_that_a_notebook_saved_says_where_the_class_was(self, tmp_path: Path) -> None:
        script = (
            "import joblib\nfrom sklearn.base import BaseEstimator\n"
            "class Ratio(BaseEstimator):\n    def predict(self, X): return X\n"
            f"joblib.dump(Ratio(), {str(tmp_path / 'm.joblib')!r})\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True)
        with pytest.raises(PackagingError, match="needs Ratio, which was defined in the notebook or script"):
            load_model(tmp_path / "m.joblib")

    @pytest.mark.parametrize("module", ["__main__", "modelpack.__main__"])
    def test_its_class_is_known_however_this_process_was_started(self, module: str) -> None:
        said = f"Can't get attribute 'Ratio' on <module '{module}' from '/usr/bin/it'>"
        assert own_class(AttributeError(said)) == "Ratio"
        assert own_class(AttributeError(said.replace("__main__", "__main__s"))) is None


def oblivious_trees() -> bytes:
    """What CatBoost writes: IR version 3, operators of ai.onnx.ml alone, a label and a ZipMap of probabilities."""
    nodes = {
        "nodes_treeids": [0, 0, 0, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 0, 1, 2],
        "nodes_featureids": [0, 0, 0, 1, 0, 0],
        "nodes_modes": ["BRANCH_GTE", "LEAF", "LEAF"] * 2,
        "nodes_values": [4.5, 0.0, 0.0, 80.0, 0.0, 0.0],
        "nodes_truenodeids": [2, 0, 0, 2, 0, 0],
        "nodes_falsenodeids": [1, 0, 0, 1, 0, 0],
    }
    leaves = {
        "class_treeids": [0, 0, 1, 1],
        "class_nodeids": [1, 2, 1, 2],
        "class_ids": [1, 1, 1, 1],
        "class_weights": [0.4, -0.6, -0.1, 0.7],
    }
    trees = helper.make_node(
        "TreeEnsembleClassifier",
        ["features"],
        ["label", "probability_tensor"],
        domain="ai.onnx.ml",
        classlabels_int64s=[0, 1],
        post_transform="LOGISTIC",
        **nodes,
        **leaves,
    )
    named = helper.make_node(
        "ZipMap", ["probability_tensor"], ["probabilities"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]
    )
    graph = helper.make_graph(
        [trees, named],
        "CatBoostModel",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["N"])],
    )
    maps = graph.output.add()
    maps.name = "probabilities"
    maps.type.sequence_type.elem_type.map_type.key_type = TensorProto.INT64
    maps.type.sequence_type.elem_type.map_type.value_type.tensor_type.elem_type = TensorProto.FLOAT
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 2)], ir_version=3)
    return bytes(made.SerializeToString())


@pytest.mark.usefixtures("here")
class TestCatBoost:
    def test_a_file_of_the_shape_that_catboost_writes(self, customers: pd.DataFrame) -> None:
        margin = np.where(customers["visits"] >= 4.5, -0.6, 0.4) + np.where(
            customers["spend"] >= 80.0, 0.7, -0.1
        )
        frame = customers[NUMBERS].assign(p=1 / (1 + np.exp(-margin)))
        made = package(oblivious_trees(), frame, Publication(expected="p", inputs=NUMBERS))
        assert made.meaning == "probability of '1', between 0 and 1; no class was named, and it is the second"
        model = onnx.load_from_string(made.onnx)
        assert [o.name for o in model.graph.output] == ["score"]
        names = [i.name for i in made.signature.inputs]
        rows = frame[names].astype(float).to_numpy().tolist()
        np.testing.assert_allclose(Runner(made.onnx).scores(made.signature.pack(rows)), frame["p"], atol=1e-6)

    def test_its_own_export(self, customers: pd.DataFrame, gone: Any, tmp_path: Path) -> None:
        pytest.importorskip(
            "catboost", reason="CatBoost is not installed; the test above has a file of its shape"
        )
        catboost = importlib.import_module("catboost")
        model = catboost.CatBoostClassifier(iterations=10, depth=3, verbose=0, allow_writing_files=False)
        model.fit(customers[NUMBERS], gone)
        model.save_model(str(tmp_path / "m.onnx"), format="onnx")
        frame = customers[NUMBERS].assign(p=model.predict_proba(customers[NUMBERS])[:, 1])
        made = package((tmp_path / "m.onnx").read_bytes(), frame, Publication(expected="p", inputs=NUMBERS))
        assert made.parity.passed
