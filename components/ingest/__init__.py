"""The stage *ingest*: raw files become tf.Examples in train, eval and test.

`csv_source.py` reads one format. All else is shared by every format: `sources.py` (which files), `columns.py` (rename, cast,
derive, drop), `expression.py` and `operations.py` (the language of derive), `values.py` (text to numbers), `split.py`,
`example.py` and `tfrecord.py` (writing), `rejects.py` (bad records). `records.py` takes a block through these, `ingest.py` all
files; `executor.py` and `component.py` make a TFX component of it.
"""
