"""Retraining: decides whether a pipeline is to be built anew, has DVC build it, tells what came of it; docs/retraining.md."""
