"""The DuckDB catalog: schema, build, select, query. The only door to duckdb."""
