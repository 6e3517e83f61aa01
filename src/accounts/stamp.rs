//! Times to and from Postgres. They are given as RFC 3339 text and read as microseconds, so that no
//! session setting takes part.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Error, Row as _};

/// A column's time; selected as `(extract(epoch FROM ...) * 1000000)::bigint`.
pub fn read(row: &PgRow, column: &str) -> Result<Timestamp, Error> {
    micros(row.try_get(column)?, column)
}

/// The same, where there may be none.
pub fn read_optional(row: &PgRow, column: &str) -> Result<Option<Timestamp>, Error> {
    let found: Option<i64> = row.try_get(column)?;
    found.map(|value| micros(value, column)).transpose()
}

fn micros(value: i64, column: &str) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(value)
        .map_err(|error| Error::ColumnDecode { index: column.to_owned(), source: Box::new(error) })
}
