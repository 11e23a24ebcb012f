"""Models and samples from files."""

from __future__ import annotations

import codecs
import hashlib
import importlib.metadata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from onnx import TensorProto
from sklearn.exceptions import InconsistentVersionWarning

from modelpack.errors import PackagingError
from modelpack.packager.estimator.boosters import KINDS
from modelpack.packager.estimator.categories import text_columns
from modelpack.packager.graph.reading import parse
from modelpack.packager.graph.values import graph_inputs
from modelpack.packager.pmml.document import Pmml, origin_of, text_fields
from modelpack.packager.sources.mlflow_model import is_mlflow, read_mlflow
from modelpack.packager.sources.pickled import own_class, sklearn_version
from modelpack.publication import Publication


@dataclass(frozen=True)
class Opened:
    """What a model file or folder holds."""

    model: Any
    """A fitted estimator, the bytes of an ONNX model, or a `Pmml`."""
    sample: pd.DataFrame | None = None
    """Rows that came along with it."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def described(self, publication: Publication) -> Publication:
        """With the figures that came along, under those that are given."""
        return replace(publication, metrics={**self.metrics, **publication.metrics})

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Errors raised within also say where the model was fitted by another scikit-learn than is here."""
        try:
            yield
        except PackagingError as error:
            remark = other_versions(self.lineage.get("fitted_with") or {})
            if remark:
                raise type(error)(f"{error} {remark} That may be the reason: {_WAYS_OUT}") from error
            raise


def open_model(source: Any) -> Opened:
    """A model wherever it is: a fitted estimator or the bytes of an ONNX model as they are, the path of a joblib,
    .onnx or .pmml file, or a model of MLflow's (a folder, `runs:/…`, `models:/…`).

    A joblib file and most models of MLflow's **execute code** that their author chose: see `load_model`.

    Raises:
        PackagingError: there is nothing, or nothing that can be published.
    """
    if isinstance(source, Opened):
        return source
    if isinstance(source, bytes):
        return Opened(source, lineage={"onnx": {"sha256": hashlib.sha256(source).hexdigest()}})
    if not isinstance(source, str | Path):
        return Opened(source)
    if is_mlflow(source):
        model, example, origin, metrics, fitted_with = read_mlflow(source)
        lineage = {"mlflow": origin, **({"fitted_with": fitted_with} if fitted_with else {})}
        return Opened(model, example if isinstance(example, pd.DataFrame) else None, lineage, metrics)
    file = Path(source)
    if file.is_dir():
        raise PackagingError(
            f"{file} is a folder without a file MLmodel: expected a joblib file, an .onnx or .pmml file, or a model "
            "folder of MLflow's."
        )
    if file.suffix.lower() == ".onnx":
        content = read_file(file)
        origin = {"file": file.name, "sha256": hashlib.sha256(content).hexdigest()}
        return Opened(content, lineage={"onnx": origin})
    if file.suffix.lower() == ".pmml":
        pmml = Pmml(read_file(file))
        origin = {"file": file.name, "sha256": hashlib.sha256(pmml.content).hexdigest()}
        return Opened(pmml, lineage={"pmml": origin | origin_of(pmml)})
    model, fitted_with = _load(file)
    return Opened(model, lineage={"fitted_with": fitted_with} if fitted_with else {})


def load_model(path: str | Path) -> Any:
    """The estimator in a joblib (or pickle) file.

    Reading such a file **executes code** that its author chose: only open files of people who may run
    programs as you. Nothing of it ever reaches the database, which stores ONNX alone.

    Raises:
        PackagingError: no such file, no joblib file, a class that is not here, a scikit-learn that this one cannot
            read, or no estimator inside.
    """
    return _load(Path(path))[0]


def _load(file: Path) -> tuple[Any, dict[str, str]]:
    """The estimator, and the scikit-learn that the file says it was made by."""
    if not file.is_file():
        raise PackagingError(f"There is no model file {file}: write one with joblib.dump(estimator, path).")
    if (why := _looks_like(file)) is not None:
        raise _no_model(file, why)
    found = sklearn_version(file)
    made_by = {} if found is None else {"scikit-learn": found}
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            estimator = joblib.load(file)
    except Exception as error:  # unpickling raises nearly anything
        raise _not_loaded(file, error, made_by) from error
    if not hasattr(estimator, "predict"):
        raise PackagingError(
            f"{file} holds a {type(estimator).__name__}, a fitted scikit-learn estimator is expected "
            "(joblib.dump(estimator, path))."
        )
    for warning in said:
        if isinstance(warning.message, InconsistentVersionWarning):
            made_by = {"scikit-learn": str(warning.message.original_sklearn_version)}
    return estimator, made_by


_WAYS_OUT = (
    "fit it again in the environment that publishes; or, in one like that in which it was fitted, turn it into an "
    ".onnx file (skl2onnx.to_onnx) and publish that with --expected."
)


def other_versions(fitted_with: Mapping[str, str]) -> str | None:
    """A sentence where a model was fitted with other versions than are here; None where with the same."""
    other = {}
    for name, version in fitted_with.items():
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            here = "none"
        if here != version:
            other[name] = (version, here)
    if not other:
        return None
    listed = ", ".join(f"{name} {version} (here is {here})" for name, (version, here) in other.items())
    return f"The model was fitted with {listed}."


def _not_loaded(file: Path, error: Exception, made_by: Mapping[str, str]) -> PackagingError:
    """Why a pickled file could not be loaded, in words."""
    text = " ".join(str(error).split())[:300]
    if (name := own_class(error)) is not None:
        return PackagingError(
            f"{file} needs {name}, which was defined in the notebook or script that saved it: put it into a module "
            "that can be imported here as well, import it from there, fit and save again. A class or function of "
            "your own has no conversion to ONNX, though: where it only prepares columns, let the declaration compute "
            'them (inputs such as ratio(…) or expression("…")) and fit on those.'
        )
    module = (getattr(error, "name", None) or "").partition(".")[0]
    if (remark := other_versions(made_by)) and module in ("", "sklearn", "numpy"):
        (version,) = made_by.values()
        return PackagingError(
            f"{file} cannot be loaded ({type(error).__name__}: {text}). {remark} Install scikit-learn=={version} "
            f"where you load it, or {_WAYS_OUT}"
        )
    if isinstance(error, ModuleNotFoundError | AttributeError | ImportError):
        return PackagingError(
            f"{file} needs something that is not here: {text}. "
            "Install the libraries that the model was fitted with, in the same versions"
            + (f": pip install 'modelpack[{module}]'." if module in KINDS else ".")
        )
    return _no_model(file, f"it cannot be unpickled ({type(error).__name__})")


_BEGINNINGS = {
    b"PAR1": "it is a parquet file",
    b"PK\x03\x04": "it is a zip archive (of torch.save or skops?)",
    b"\x89HDF": "it is an HDF5 file (of Keras?)",
}


def _looks_like(file: Path) -> str | None:
    """What a file is that is no joblib file, in words; None where it may be one.

    Looked at before unpickling: to the unpickler some texts are instructions to import a module.
    """
    with file.open("rb") as handle:
        head = handle.read(4096)
    for beginning, words in _BEGINNINGS.items():
        if head.startswith(beginning):
            return words
    if not head:
        return "it is empty"
    try:
        line = codecs.getincrementaldecoder("utf-8")().decode(head).splitlines()[0]
    except (UnicodeDecodeError, IndexError):
        return None
    return f"it is a text file that begins with {line[:60]!r}" if line.isprintable() else None


def _no_model(file: Path, why: str) -> PackagingError:
    return PackagingError(
        f"{file} is no model: {why}; a joblib file of a fitted scikit-learn estimator "
        "(joblib.dump(estimator, path)), an .onnx or .pmml file or a model folder of MLflow's is expected."
    )


def read_file(path: str | Path) -> bytes:
    """The bytes of an .onnx or .pmml file; what they hold is looked at later.

    Raises:
        PackagingError: no such file, or not readable.
    """
    file = Path(path)
    try:
        return file.read_bytes()
    except OSError as error:
        raise PackagingError(f"There is no model file {file} that can be read: {error.strerror}.") from error


def read_sample(path: str | Path, model: Any = None) -> pd.DataFrame:
    """The rows of a .csv or .parquet file.

    Args:
        model: what the rows are for, an estimator, the bytes of an ONNX model, or a `Pmml`. A .csv file has no types: columns that
            the model takes as texts are read as they are written (01234, NA, True), and only an empty cell is missing.

    Raises:
        PackagingError: no such file, another ending, or not readable as what its ending says.
    """
    file = Path(path)
    if not file.is_file():
        raise PackagingError(
            f"There is no sample file {file}: give a .csv or .parquet file of rows to be scored."
        )
    reader = {".csv": pd.read_csv, ".parquet": pd.read_parquet}.get(file.suffix.lower())
    if reader is None:
        raise PackagingError(f"The sample file is {file.name}: a .csv or .parquet file is expected.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            frame = reader(file)
        texts = _texts_of(model, frame) if reader is pd.read_csv else []
        if texts:
            written = pd.read_csv(file, dtype=str, keep_default_na=False, usecols=texts)
            for name in texts:
                frame[name] = written[name].where(written[name] != "")
    except Exception as error:  # pandas and pyarrow raise many kinds
        raise PackagingError(f"{file} cannot be read as {file.suffix[1:]}: {error}") from error
    return frame


def _texts_of(model: Any, frame: pd.DataFrame) -> list[str]:
    """The columns that a model takes as texts, as far as it tells."""
    columns = [str(name) for name in frame.columns]
    if isinstance(model, bytes):
        return _text_inputs(model, columns)
    if isinstance(model, Pmml):
        return sorted(set(text_fields(model)) & set(columns))
    names = getattr(model, "feature_names_in_", columns)
    return sorted(text_columns(model, [str(n) for n in names]) & set(columns))


def _text_inputs(onnx_bytes: bytes, columns: Sequence[str]) -> list[str]:
    """Those of the columns whose name is that of a text input of the model."""
    try:
        found = graph_inputs(parse(onnx_bytes).graph)
    except PackagingError:  # said later, with all that is wrong
        return []
    texts = {i.name for i in found if i.type.tensor_type.elem_type == TensorProto.STRING}
    return [c for c in columns if c in texts]
