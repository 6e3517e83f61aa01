mod schema;

pub use schema::{SchemaError, SchemaStatus, migrate, schema_status};
