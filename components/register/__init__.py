"""Registers the model: a version with its metrics and verdict, and the champion's alias if the gate says so."""
