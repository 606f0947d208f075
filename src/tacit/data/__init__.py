"""Tables in and out, column kinds, the schema, and rows as float64 events; this layer knows no model."""
