"""HTTP: the champion behind TensorFlow Serving's REST shapes, reloaded when it changes; see docs/serve.md."""
