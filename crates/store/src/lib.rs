//! Emberline's database: schema, models, queries, pool
