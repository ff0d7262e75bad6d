use std::fs::File;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Alert, Host, Severity};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::Int64Type;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Field, Row, RowAccessor as _};
use serde_json::Value;

use crate::{Ending, Export, FileFormat, Format, Manifest, Noun, Projection, Request};

fn noon() -> DateTime<Utc> {
    "2026-01-08T12:00:00Z".parse().unwrap()
}

fn alert(at: i64) -> Alert {
    let mut alert = Alert::new("falcon", "acme", &format!("a{at}"), "{\"id\":18446744073709551615}");
    alert.time = Some(noon() - TimeDelta::milliseconds(at));
    alert.severity = Severity::High;
    alert.title = format!("alert {at}: {}", "x".repeat(2_000 + usize::try_from(at % 7).unwrap()));
    alert.desc = (at % 2 == 0).then(|| at.to_string());
    alert.device = Some(Box::new(Host::new("falcon", "acme", "h1", "{}")));
    alert
}

fn export(folder: &Path, format: Format, count: i64) -> Manifest {
    let request = Request { raw: true, ..Request::new(Noun::Alerts, format, FileFormat::Parquet, noon()) };
    let mut export = Export::begin(folder, request, noon()).unwrap();
    let projection = Projection::new(format, noon()).with_raw(true);
    (0..count).for_each(|at| export.push(projection.alert(alert(at)).unwrap()).unwrap());
    export.finish(vec![Ending::complete("acme", "falcon")], noon(), &|| true).unwrap()
}

fn open(folder: &Path, manifest: &Manifest) -> SerializedFileReader<File> {
    assert_eq!(manifest.files.len(), 1);
    SerializedFileReader::new(File::open(folder.join(&manifest.files[0].path)).unwrap()).unwrap()
}

/// The texts of a row; whatever else it has is `null`.
fn json(row: &Row) -> Value {
    let value = |field: &Field| match field {
        Field::Group(row) => json(row),
        Field::Str(text) => Value::String(text.clone()),
        _ => Value::Null,
    };
    row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
}

#[test]
fn row_groups_and_pages_stay_small_and_times_are_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = export(folder.path(), Format::Ocsf, 6_000);
    let reader = open(folder.path(), &manifest);
    let groups = reader.metadata().row_groups();
    assert!(groups.len() > 1);
    for group in groups {
        assert!(group.total_byte_size() <= 16 << 20, "{}", group.total_byte_size());
    }
    assert_eq!(groups.iter().map(|g| g.num_rows()).sum::<i64>(), 6_000);
    for at in 0..groups.len() {
        let group = reader.get_row_group(at).unwrap();
        for column in 0..group.num_columns() {
            let pages = group.get_column_page_reader(column).unwrap();
            let largest = pages.map(|page| page.unwrap().buffer().len()).max().unwrap_or_default();
            assert!(largest <= 1_000_000, "{largest}");
        }
    }
    let at = |name: &str| {
        let columns = reader.metadata().file_metadata().schema_descr_ptr();
        columns.columns().iter().position(|c| c.path().string() == name).unwrap()
    };
    let time = reader.metadata().row_groups()[0].sorting_columns().unwrap()[0].column_idx;
    assert_eq!(usize::try_from(time).unwrap(), at("time"));
}

/// Whether the rows of the only row group are in the order that the file says they have, if it says one.
fn keeps_its_word(reader: &SerializedFileReader<File>) -> Option<bool> {
    let group = reader.get_row_group(0).unwrap();
    let sorted = group.metadata().sorting_columns()?.first()?;
    assert!(!sorted.descending && !sorted.nulls_first);
    let column = group.get_column_reader(usize::try_from(sorted.column_idx).unwrap()).unwrap();
    let (mut present, mut values) = (Vec::new(), Vec::new());
    let mut column = get_typed_column_reader::<Int64Type>(column);
    column.read_records(100, Some(&mut present), None, &mut values).unwrap();
    Some(present.is_sorted_by(|a, b| a >= b) && values.is_sorted())
}

/// Two in one millisecond, the later one with the lesser id; and one before them that has no time of its own.
#[test]
fn the_order_that_a_file_says_is_the_order_that_it_has() {
    let bare = |uid: &str| Alert::new("falcon", "acme", uid, "{}");
    let [mut late, mut early, mut unknown] = [bare("a"), bare("b"), bare("c")];
    late.time = Some(noon() + TimeDelta::microseconds(900));
    early.time = Some(noon() + TimeDelta::microseconds(100));
    unknown.created_time = Some(noon() - TimeDelta::seconds(1));
    for format in [Format::Ecs, Format::Native, Format::Ocsf] {
        let folder = tempfile::tempdir().unwrap();
        let request = Request::new(Noun::Alerts, format, FileFormat::Parquet, noon());
        let mut export = Export::begin(folder.path(), request, noon()).unwrap();
        let row = |alert: &Alert| Projection::new(format, noon()).alert(alert.clone()).unwrap();
        [&late, &early, &unknown].iter().for_each(|alert| export.push(row(alert)).unwrap());
        let manifest = export.finish(vec![Ending::complete("acme", "falcon")], noon(), &|| true).unwrap();
        let found = keeps_its_word(&open(folder.path(), &manifest));
        assert_eq!(found, (format == Format::Ocsf).then_some(true), "{format:?}");
    }
}

#[test]
fn values_come_back_as_they_were() {
    for format in [Format::Ecs, Format::Native, Format::Ocsf] {
        let folder = tempfile::tempdir().unwrap();
        let manifest = export(folder.path(), format, 3);
        let reader = open(folder.path(), &manifest);
        let rows: Vec<Value> = reader.get_row_iter(None).unwrap().map(|row| json(&row.unwrap())).collect();
        assert_eq!(rows.len(), 3);
        let raw = match format {
            Format::Ecs => &rows[0]["event"]["original"],
            Format::Native => &rows[0]["raw"],
            Format::Ocsf => &rows[0]["raw_data"],
        };
        assert_eq!(raw, "{\"id\":18446744073709551615}", "{format:?}");
        let (title, desc) = match format {
            Format::Ecs => ("/message", "/event/reason"),
            Format::Native => ("/title", "/desc"),
            Format::Ocsf => ("/message", "/finding_info/desc"),
        };
        assert!(rows[2].pointer(title).unwrap().as_str().unwrap().starts_with("alert 0: x"));
        assert_eq!(rows[2].pointer(desc).unwrap(), "0");
        assert!(rows[1].pointer(desc).unwrap().is_null());
    }
}

#[test]
fn a_number_is_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = export(folder.path(), Format::Ocsf, 1);
    let reader = open(folder.path(), &manifest);
    let columns = reader.metadata().file_metadata().schema_descr_ptr();
    let fields = columns.root_schema().get_fields().iter().position(|f| f.name() == "time").unwrap();
    let row = reader.get_row_iter(None).unwrap().next().unwrap().unwrap();
    assert_eq!(row.get_long(fields).unwrap(), noon().timestamp_millis());
}

/// What the vendor sent and nobody reads here is nobody's to judge.
#[test]
fn the_vendors_own_json_is_kept_whatever_is_in_it() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let raw = format!(r#"{{"z":"\ud83d","a":1,"a":2,"n":123456789012345678901234567890.10,"deep":{deep}}}"#);
    let folder = tempfile::tempdir().unwrap();
    let new = Request::new(Noun::Alerts, Format::Native, FileFormat::Parquet, noon());
    let mut export = Export::begin(folder.path(), Request { raw: true, ..new }, noon()).unwrap();
    let projection = Projection::new(Format::Native, noon()).with_raw(true);
    export.push(projection.alert(Alert::new("falcon", "acme", "a1", &raw)).unwrap()).unwrap();
    let manifest = export.finish(vec![Ending::complete("acme", "falcon")], noon(), &|| true).unwrap();
    let reader = open(folder.path(), &manifest);
    let row = json(&reader.get_row_iter(None).unwrap().next().unwrap().unwrap());
    assert_eq!(row["raw"], raw);
}
