"""Tensorline against stock TFX: the taxi example that TFX's wheel carries, with the same preprocessing and the same model."""
