"""Serves a bundle under `mlflow models serve`: uint8 pixels in, class names and probabilities out.

MLflow copies this file into the registry beside the bundle and runs it by itself, perhaps where leeway is not
installed, so it imports nothing of leeway. Leeway never imports it.
"""

import json
from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import onnxruntime
from mlflow.pyfunc.model import PythonModel


class ServedBundle(PythonModel):
    """The bundle's graph and class list. MLflow calls both methods by keyword: their parameters keep these names."""

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["bundle"])
        self.classes = np.array(json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["classes"])
        self.session = onnxruntime.InferenceSession(folder / "graph.onnx", providers=["CPUExecutionProvider"])

    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> dict[str, Any]:  # noqa: ARG002
        """`model_input` (B, H, W, C) uint8 at the bundle's size; gives names (B,) and probabilities (B, K)."""
        pixels = model_input.astype(np.uint8, copy=False)
        (probabilities,) = self.session.run(["probabilities"], {"pixels": pixels})
        return {
            "predicted_class": self.classes[probabilities.argmax(axis=1)].tolist(),
            "classes": self.classes.tolist(),
            "probabilities": probabilities.tolist(),
        }


mlflow.models.set_model(ServedBundle())
