"""How each stage runs: TFX components, the project's own beside the stock ones, and the code that they share."""
