//! Rows on their way in by `COPY`, in its binary format (PostgreSQL's manual, SQL-COPY, "Binary Format"): what costs the
//! server least. A field is encoded as it is for a statement's parameter.

use sqlx::encode::IsNull;
use sqlx::postgres::PgArgumentBuffer;
use sqlx::{Encode, PgConnection, Postgres};

/// The signature, no flags, and no extension of the header.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of a row's number of fields, after the last.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// In place of a field's length.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Rows to be sent together.
#[derive(Default)]
pub struct Rows {
    bytes: Vec<u8>,
    field: PgArgumentBuffer,
}

impl Rows {
    /// Begins a row of so many fields.
    pub fn row(&mut self, fields: usize) -> &mut Self {
        let fields = i16::try_from(fields).expect("a table has fewer than 1,600 columns");
        self.bytes.extend_from_slice(&fields.to_be_bytes());
        self
    }

    /// The next field of the row.
    pub fn field<'q, T: Encode<'q, Postgres>>(&mut self, value: &T) -> Result<&mut Self, sqlx::Error> {
        self.field.clear();
        match value.encode_by_ref(&mut self.field).map_err(sqlx::Error::Encode)? {
            IsNull::Yes => self.bytes.extend_from_slice(&NULL),
            IsNull::No => {
                let length = i32::try_from(self.field.len()).map_err(|error| sqlx::Error::Encode(error.into()))?;
                self.bytes.extend_from_slice(&length.to_be_bytes());
                self.bytes.extend_from_slice(&self.field);
            }
        }
        Ok(self)
    }

    /// Sends the rows into these columns of a table; there may be none.
    pub async fn send(mut self, connection: &mut PgConnection, table: &str, columns: &str) -> Result<(), sqlx::Error> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        self.bytes.extend_from_slice(&TRAILER);
        let mut copy = connection.copy_in_raw(&format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")).await?;
        copy.send(HEADER).await?;
        copy.send(self.bytes).await?;
        copy.finish().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_its_length_and_its_bytes_and_null_is_a_length_of_minus_one() {
        let mut rows = Rows::default();
        rows.row(3).field(&7_i32).expect("encodes").field(&None::<i64>).expect("encodes").field(&"é").expect("encodes");
        let expected: &[u8] = b"\0\x03\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff\0\0\0\x02\xc3\xa9";
        assert_eq!(rows.bytes, expected);
    }
}
