"""What each answer owes to which column, pixel or word, from the model's own signature; see docs/explain.md."""
