"""What Beam's worker processes import before any work: TensorFlow ops that are in a transform graph or a model.

The stage itself imports them as it builds the graph; a worker only loads it. As `--beam_plugins`, so that Beam does it.
"""

from __future__ import annotations

from components.saved_model import LIBRARIES, import_libraries

import_libraries(LIBRARIES)
