"""Batch prediction: files of new records in, a file of answers in the records' order out; see docs/predict.md."""
