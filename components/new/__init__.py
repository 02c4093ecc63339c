"""`tensorline new`: looks at data that nobody described yet, and proposes a pipeline for them, with its reasons."""
