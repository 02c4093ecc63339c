"""TFX's Trainer: fits the recipe's model and exports it with the transform graph."""
