"""The bridge between TFX components and DVC: the same component objects run as DVC stages and as a plain `tfx` pipeline.

`graph` builds the components of a stage, `stage` runs them as a DVC stage without ML Metadata, `tfx_pipeline` hands them to
TFX's own runners.
"""
