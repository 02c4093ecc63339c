"""TFX's Transform with the recipe's preprocessing function."""
