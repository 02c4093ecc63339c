"""TFX's Tuner over KerasTuner, or the recipe's defaults where nothing is to be tuned."""
