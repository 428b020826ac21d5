//! One Avro record type: our schema, and how to read what others wrote with theirs.

use std::marker::PhantomData;
use std::sync::OnceLock;

use apache_avro::from_value;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
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

/// A schema that records were written with.
#[derive(Debug)]
pub struct Schema {
    avro: apache_avro::Schema,
    /// The address of a codec's schema that it was compared with, and whether they are equal: comparing them costs as much
    /// as reading a record.
    compared: OnceLock<(usize, bool)>,
}

impl Schema {
    /// Reads a schema's text.
    pub fn parse_str(text: &str) -> Result<Self, WireError> {
        let avro = apache_avro::Schema::parse_str(text).map_err(WireError::avro)?;
        Ok(Self { avro, compared: OnceLock::new() })
    }

    /// As the library has it.
    pub const fn avro(&self) -> &apache_avro::Schema {
        &self.avro
    }

    /// Whether it is equal to a codec's own.
    pub fn is(&self, other: &'static Self) -> bool {
        let at = std::ptr::from_ref(other).addr();
        match self.compared.get_or_init(|| (at, self == other)) {
            (compared, equal) if *compared == at => *equal,
            _ => self == other,
        }
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.avro == other.avro
    }
}

/// Reads and writes records `T` of one schema.
pub struct Codec<T> {
    schema: &'static Schema,
    reader: GenericDatumReader<'static>,
    writer: GenericDatumWriter<'static>,
    record: PhantomData<fn(T) -> T>,
}

impl<T> std::fmt::Debug for Codec<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Codec({})", std::any::type_name::<T>())
    }
}

impl<T: Serialize + DeserializeOwned> Codec<T> {
    /// The codec of a schema that is compiled in. Panics on one that does not parse, which a test would see.
    pub(crate) fn new(text: &str) -> Self {
        const SOUND: &str = "the schemas in avro/ parse; a test reads each";
        // Leaked once per schema and process: the readers and writers borrow it for ever.
        let schema: &'static Schema = Box::leak(Box::new(Schema::parse_str(text).expect(SOUND)));
        // Made once: each looks up every name of the schema first.
        let reader = GenericDatumReader::builder(&schema.avro).build().expect(SOUND);
        let writer = GenericDatumWriter::builder(&schema.avro).build().expect(SOUND);
        Self { schema, reader, writer, record: PhantomData }
    }

    /// Our schema.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    pub(crate) fn write(&self, record: &T) -> Vec<u8> {
        self.writer.write_ser_to_vec(record).expect("a record type mirrors its schema; a test round-trips each")
    }

    /// Reads a datum that was written with `writer`; the whole of it.
    pub(crate) fn read(&self, writer: &Schema, mut datum: &[u8]) -> Result<T, WireError> {
        let record = if writer.is(self.schema) {
            self.reader.read_deser(&mut datum)
        } else {
            GenericDatumReader::builder(&writer.avro)
                .reader_schema(&self.schema.avro)
                .build()
                .and_then(|reader| reader.read_value(&mut datum))
                .and_then(|value| from_value(&value))
        };
        let record = record.map_err(WireError::avro)?;
        if datum.is_empty() { Ok(record) } else { Err(WireError::field("(end)", "bytes follow the datum")) }
    }
}
