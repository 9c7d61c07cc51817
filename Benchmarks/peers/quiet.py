"""Keeps the peers from reporting their use to their makers."""

from __future__ import annotations

import os
import sys
from typing import Any


def silence() -> None:
    """To be called before anything of a peer is imported.

    Importing OpenVINO reports already, so what it reports through must not be found. MNN's commands report as well;
    the function behind them, which is called here, does not.
    """
    modules: dict[str, Any] = sys.modules
    modules["openvino_telemetry"] = None
    os.environ |= {"NNCF_CI": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
