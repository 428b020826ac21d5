//! One Avro record type: our schema, and how to read what others wrote with theirs.

use std::marker::PhantomData;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, from_value};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes do not read as a record, or a record holds what no domain value can be.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not a datum of the schema.
    #[error("datum does not fit its schema")]
    Avro(#[source] Box<apache_avro::Error>),
    /// A field holds what its meaning does not allow. The text names the field and never repeats its value.
    #[error("field {field}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl WireError {
    pub(crate) fn field(field: &'static str, problem: impl std::fmt::Display) -> Self {
        Self::Field { field, problem: problem.to_string() }
    }

    fn avro(error: apache_avro::Error) -> Self {
        Self::Avro(Box::new(error))
    }
}

/// Reads and writes records `T` of one schema.
#[derive(Debug)]
pub struct Codec<T> {
    schema: &'static Schema,
    record: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Codec<T> {
    /// The codec of a schema that is compiled in. Panics on one that does not parse, which a test would see.
    pub(crate) fn new(text: &str) -> Self {
        let schema = Schema::parse_str(text).expect("the schemas in avro/ parse; a test reads each");
        // Leaked once per schema and process: the readers and writers borrow it for ever.
        Self { schema: Box::leak(Box::new(schema)), record: PhantomData }
    }

    /// Our schema.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    pub(crate) fn write(&self, record: &T) -> Vec<u8> {
        GenericDatumWriter::builder(self.schema)
            .build()
            .and_then(|writer| writer.write_ser_to_vec(record))
            .expect("a record type mirrors its schema; a test round-trips each")
    }

    /// Reads a datum that was written with `writer`; the whole of it.
    pub(crate) fn read(&self, writer: &Schema, mut datum: &[u8]) -> Result<T, WireError> {
        let record = if writer == self.schema {
            GenericDatumReader::builder(self.schema).build().and_then(|reader| reader.read_deser(&mut datum))
        } else {
            GenericDatumReader::builder(writer)
                .reader_schema(self.schema)
                .build()
                .and_then(|reader| reader.read_value(&mut datum))
                .and_then(|value| from_value(&value))
        };
        let record = record.map_err(WireError::avro)?;
        if datum.is_empty() { Ok(record) } else { Err(WireError::field("(end)", "bytes follow the datum")) }
    }
}
