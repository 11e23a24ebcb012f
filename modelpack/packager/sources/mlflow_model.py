"""Models that MLflow keeps: a model folder, or a URI of its tracking server (`runs:/…`, `models:/…`).

MLflow's own loader opens them (the extra `modelpack[mlflow]`). Except for the flavour `onnx`, whose bytes are only
read, that **executes code** that the model's author chose, as it does for a joblib file. MLflow refuses to, where the
environment variable MLFLOW_ALLOW_PICKLE_DESERIALIZATION says so.
"""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

from modelpack.errors import PackagingError

_FLAVOURS = {
    "sklearn": ("scikit-learn", "sklearn_version"),
    "lightgbm": ("lightgbm", "lgb_version"),
    "xgboost": ("xgboost", "xgb_version"),
}
"""Those whose loader gives an estimator of scikit-learn's kind, each with its library and where the version is."""


def is_mlflow(source: str | Path) -> bool:
    """Whether it is a URI of MLflow's, or a folder with a model of its."""
    return str(source).startswith(("runs:/", "models:/")) or (Path(source) / "MLmodel").is_file()


def read_mlflow(source: str | Path) -> tuple[Any, Any, dict[str, Any], dict[str, float], dict[str, str]]:
    """The estimator (or the bytes of an ONNX model), the input example (a data frame or None), where it comes from
    (`run_id` and the like), the metrics of its run, and the versions of the libraries that it was fitted with.

    Raises:
        PackagingError: MLflow is not installed, finds nothing there, or keeps a model of another kind.
    """
    try:
        import mlflow
        from mlflow.models import Model
    except ImportError as error:
        raise PackagingError(
            f"{source} is a model of MLflow's, and MLflow is not installed here: pip install 'modelpack[mlflow]'."
        ) from error
    fitted_with: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            uri = str(source)
            remote = not (Path(uri) / "MLmodel").is_file()
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri)) if remote else Path(uri)
            kept = Model.load(str(folder))
            fitted_with = _versions(kept)
            model = _open(mlflow, folder, kept)
            example = kept.load_input_example(str(folder)) if kept.saved_input_example_info else None
            run = mlflow.tracking.MlflowClient().get_run(kept.run_id) if remote and kept.run_id else None
        except PackagingError:
            raise
        except ImportError as error:
            raise PackagingError(
                f"{source} needs something that is not here: {error}. "
                f"Install the libraries that the model was fitted with, in the same versions{_listed(fitted_with)}."
            ) from error
        except Exception as error:  # MLflow's own, and whatever unpickling raises
            raise PackagingError(
                f"MLflow cannot open {source}: {_one_line(error)}"
                + (f" It was fitted with{_listed(fitted_with)[1:]}." if fitted_with else "")
            ) from error
    origin = {
        "source": uri if remote else folder.resolve().name,
        "run_id": kept.run_id,
        "model_id": getattr(kept, "model_id", None),
        "model_uuid": kept.model_uuid,
        "saved_at": str(kept.utc_time_created),
        "mlflow_version": kept.mlflow_version,
        "run_name": run.info.run_name if run else None,
        "code": run.data.tags.get("mlflow.source.git.commit") if run else None,
    }
    metrics = {str(k): float(v) for k, v in run.data.metrics.items()} if run else {}
    return model, example, {k: v for k, v in origin.items() if v}, metrics, fitted_with


def _versions(kept: Any) -> dict[str, str]:
    """What MLflow noted of the libraries of its flavours."""
    noted = {
        library: (kept.flavors.get(flavour) or {}).get(key) for flavour, (library, key) in _FLAVOURS.items()
    }
    return {library: str(version) for library, version in noted.items() if version}


def _listed(fitted_with: dict[str, str]) -> str:
    named = ", ".join(f"{library}=={version}" for library, version in fitted_with.items())
    return f": {named}" if named else ""


def _open(mlflow: Any, folder: Path, kept: Any) -> Any:
    for flavour in _FLAVOURS:
        if flavour in kept.flavors:
            importlib.import_module(f"mlflow.{flavour}")
            return getattr(mlflow, flavour).load_model(str(folder))
    if "onnx" in kept.flavors:
        return (folder / str(kept.flavors["onnx"]["data"])).read_bytes()
    raise PackagingError(
        f"{folder.name} is a model of MLflow's with the flavour(s) {', '.join(sorted(kept.flavors))}: expected "
        f"{', '.join(_FLAVOURS)} or onnx. Export it to ONNX, and publish the .onnx file."
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500]
