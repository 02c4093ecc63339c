"""Statistics, schema and anomalies: TFX's StatisticsGen, SchemaGen or ImportSchemaGen, and ExampleValidator."""
