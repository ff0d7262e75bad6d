//! Rows as a Parquet file, column by column, without a table in memory that is larger than a row group.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use crate::columns::{self, Column, Kind};
use crate::flat::{Cell, Shape};
use crate::output::{Hashed, Sealed};
use crate::{Error, Request, Result};

/// What a row group holds before it is written; with the lengths of its values it stays below 16 MiB.
const GROUP: usize = 12 << 20;
/// A page is closed when it has this much. It may have one small batch more, and stays below 1 MB.
const PAGE: usize = 512 << 10;
/// How many values are written before a page is looked at.
const BATCH: usize = 16;

/// A file of rows.
pub(crate) struct Sheet {
    writer: SerializedFileWriter<Hashed>,
    shape: Shape,
    buffers: Vec<Buffer>,
    held: usize,
}

impl Sheet {
    pub(crate) fn new(file: Hashed, request: &Request) -> Result<Self> {
        let shape = Shape::of(request.noun, request.format);
        let schema = Arc::new(schema(&shape.columns)?);
        let properties = Arc::new(properties(&shape, request));
        let writer = SerializedFileWriter::new(file, schema, properties)?;
        let buffers = shape.columns.iter().map(Buffer::of).collect();
        Ok(Self { writer, shape, buffers, held: 0 })
    }

    pub(crate) fn row(&mut self, json: &[u8]) -> Result<()> {
        let cells = self.shape.read(json).map_err(|error| Error::because("a row is no object", error))?;
        let weight = cells.iter().map(weight).sum::<usize>();
        if self.held > 0 && self.held + weight > GROUP {
            self.flush()?;
        }
        self.held += weight;
        for (buffer, cell) in self.buffers.iter_mut().zip(cells) {
            buffer.take(cell);
        }
        Ok(())
    }

    /// Bytes that are in the file so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.writer.bytes_written() as u64
    }

    pub(crate) fn seal(mut self) -> Result<Sealed> {
        if self.held > 0 {
            self.flush()?;
        }
        let file = self.writer.into_inner()?;
        file.seal().map_err(|error| Error::because("a file cannot be finished", error))
    }

    /// Writes what is held as one row group.
    fn flush(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        for buffer in &mut self.buffers {
            let Some(mut column) = group.next_column()? else { break };
            buffer.write(&mut column)?;
            column.close()?;
        }
        group.close()?;
        self.held = 0;
        Ok(())
    }
}

/// What a cell takes in a file before it is compressed, at most.
fn weight(cell: &Option<Cell>) -> usize {
    1 + match cell {
        None => 0,
        Some(Cell::Text(text)) => text.len() + 4,
        Some(_) => 8,
    }
}

impl From<ParquetError> for Error {
    fn from(error: ParquetError) -> Self {
        Self::because("a Parquet file cannot be written", error)
    }
}

/// The schema: groups are always there, values need not be.
fn schema(columns: &[Column]) -> Result<Type> {
    let fields = fields(columns, 0)?;
    Ok(Type::group_type_builder("edr").with_fields(fields).build()?)
}

fn fields(columns: &[Column], depth: usize) -> Result<Vec<TypePtr>> {
    let name = |column: &Column| column.parts()[depth];
    let same = columns.chunk_by(|a, b| name(a) == name(b));
    same.map(|columns| {
        let column = &columns[0];
        let made = if column.parts().len() == depth + 1 {
            leaf(name(column), column.kind)?
        } else {
            let group = Type::group_type_builder(name(column)).with_repetition(Repetition::REQUIRED);
            group.with_fields(fields(columns, depth + 1)?).build()?
        };
        Ok(Arc::new(made))
    })
    .collect()
}

fn leaf(name: &str, kind: Kind) -> Result<Type> {
    let (physical, logical) = match kind {
        Kind::Boolean => (Physical::BOOLEAN, None),
        Kind::Double => (Physical::DOUBLE, None),
        Kind::Json | Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Long => (Physical::INT64, None),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    let leaf = Type::primitive_type_builder(name, physical).with_logical_type(logical);
    Ok(leaf.with_repetition(Repetition::OPTIONAL).build()?)
}

fn properties(shape: &Shape, request: &Request) -> WriterProperties {
    let facts = [
        ("edr.noun", request.noun.as_str()),
        ("edr.format", request.format.as_str()),
        ("edr.schema", request.format.version()),
    ];
    let facts = facts.map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
    let sorted = columns::time(request.format)
        .and_then(|time| shape.columns.iter().position(|column| column.name == time))
        .and_then(|at| i32::try_from(at).ok())
        .map(|column_idx| vec![SortingColumn { column_idx, descending: false, nulls_first: false }]);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(format!("edr {}", env!("CARGO_PKG_VERSION")))
        .set_data_page_size_limit(PAGE)
        .set_dictionary_page_size_limit(PAGE)
        .set_key_value_metadata(Some(facts.to_vec()))
        .set_offset_index_disabled(true)
        .set_sorting_columns(sorted)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_write_batch_size(BATCH);
    for column in shape.columns.iter().filter(|c| is_unlike_itself(c)) {
        let path = ColumnPath::new(column.parts().into_iter().map(str::to_owned).collect());
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    properties.build()
}

/// Columns whose values hardly ever repeat, and whose least and greatest value say nothing.
fn is_unlike_itself(column: &Column) -> bool {
    matches!(
        column.name,
        "edr.rest" | "event.original" | "evidences" | "raw" | "raw_data" | "rest" | "unmapped"
    )
}

/// The values of one column that are not yet written.
struct Buffer {
    values: Values,
    /// 1 where a row has a value.
    levels: Vec<i16>,
}

enum Values {
    Boolean(Vec<bool>),
    Double(Vec<f64>),
    Long(Vec<i64>),
    /// One text, and where each value ends in it.
    Text(Vec<u8>, Vec<usize>),
}

impl Buffer {
    fn of(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Boolean => Values::Boolean(Vec::new()),
            Kind::Double => Values::Double(Vec::new()),
            Kind::Json | Kind::Text => Values::Text(Vec::new(), Vec::new()),
            Kind::Long | Kind::Time => Values::Long(Vec::new()),
        };
        Self { values, levels: Vec::new() }
    }

    fn take(&mut self, cell: Option<Cell>) {
        self.levels.push(i16::from(cell.is_some()));
        match (&mut self.values, cell) {
            (Values::Boolean(all), Some(Cell::Boolean(value))) => all.push(value),
            (Values::Double(all), Some(Cell::Double(value))) => all.push(value),
            (Values::Long(all), Some(Cell::Long(value))) => all.push(value),
            (Values::Text(all, ends), Some(Cell::Text(value))) => {
                all.extend_from_slice(value.as_bytes());
                ends.push(all.len());
            }
            // A cell is of its column's kind, so that only an absent one is left.
            _ => {}
        }
    }

    fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let levels = std::mem::take(&mut self.levels);
        match &mut self.values {
            Values::Boolean(all) => put::<BoolType>(column, &std::mem::take(all), &levels),
            Values::Double(all) => put::<DoubleType>(column, &std::mem::take(all), &levels),
            Values::Long(all) => put::<Int64Type>(column, &std::mem::take(all), &levels),
            Values::Text(all, ends) => {
                let (all, ends) = (Bytes::from(std::mem::take(all)), std::mem::take(ends));
                let starts = std::iter::once(0).chain(ends.iter().copied());
                let values = starts.zip(&ends).map(|(from, to)| ByteArray::from(all.slice(from..*to)));
                put::<ByteArrayType>(column, &values.collect::<Vec<_>>(), &levels)
            }
        }
    }
}

fn put<T: DataType>(column: &mut SerializedColumnWriter<'_>, values: &[T::T], levels: &[i16]) -> Result<()> {
    column.typed::<T>().write_batch(values, Some(levels), None)?;
    Ok(())
}

#[cfg(test)]
mod tests;
