"""The stage *ingest*: raw files become tf.Examples in train, eval and test.

A reader for each format gives blocks of records, as `source.py` says: `csv_source.py`, `jsonl_source.py`, `parquet_source.py`
and `npz_source.py` (`typed.py` has what the last two share). All else is shared by every format: `sources.py` (which files),
`columns.py` (rename, cast, derive, drop), `expression.py` and `operations.py` (the language of derive), `values.py` (text to
numbers), `split.py`, `rejects.py` (bad records); `framed_examples.py` and `components/tfrecord_writer.py` write, to as many
files as `shards.py` says. `records.py` takes a block through these, `ingest.py` all files; `executor.py` and `component.py`
make a TFX component of it.

Images: `image_source.py` (folders and archives), `image_table.py` (tables of paths) and `array_source.py` (pixels) say where
they lie; `image_pool.py` hands them to processes (`image_worker.py`), which read and judge them (`image_batch.py`,
`image_codec.py`); `copies.py` finds those that are alike. `archive.py` reads archives in place. `reading.py` is what
`ingest.py` shares with `check.py`, which is `tensorline ingest-check`.
"""
