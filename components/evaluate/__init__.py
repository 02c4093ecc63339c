"""The stage `evaluate`: TFX's Evaluator (TFMA), and ModelReport, which judges the model against thresholds and champion."""
