"""Temperature scaling: one number that makes probabilities mean what they say. It never changes which label wins.

Method: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017 (arXiv 1706.04599).
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from onrecord_server.domain.errors import ModelUnusable

FILE_NAME = "calibration.json"


def read_temperature(folder: Path) -> float:
    """The temperature in calibration.json beside the weights, {"temperature": t}; 1.0 without that file.

    Raises ModelUnusable when the file is there and holds no finite temperature above zero.
    """
    path = folder / FILE_NAME
    try:
        temperature = json.loads(path.read_text(encoding="utf-8"))["temperature"]
    except FileNotFoundError:
        return 1.0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnusable(f'{path}: needs {{"temperature": number}} ({error})') from error
    if not isinstance(temperature, (int, float)) or not math.isfinite(temperature) or temperature <= 0:
        raise ModelUnusable(f"{path}: temperature is {temperature!r}; it must be a number above zero")
    return float(temperature)
