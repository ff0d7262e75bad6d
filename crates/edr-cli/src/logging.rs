//! `-v` and `-vv`: what the crates of this workspace log, on standard error; `--debug`: what goes over
//! the wire.

use std::fmt;
use std::io;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::wire;

/// Only these speak: other crates do not know what is secret.
const OURS: [&str; 6] = ["cortex_xdr", "edr", "edr_cli", "edr_core", "edr_http", "falcon"];

/// Starts to log; nothing at level 0 and without `debug`.
pub(crate) fn start(verbose: u8, debug: bool, json: bool) {
    let level = match verbose {
        0 if !debug => return,
        0 => LevelFilter::OFF,
        1 => Level::INFO.into(),
        _ => Level::DEBUG.into(),
    };
    let mut targets = Targets::new().with_targets(OURS.map(|name| (name, level)));
    if debug {
        // It is told in full already.
        targets = targets.with_target(wire::TARGET, LevelFilter::OFF);
    }
    let wire = debug.then(|| wire::Wire::new(json).with_filter(wire::filter()));
    let registry = tracing_subscriber::registry().with(wire);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    if json {
        let _ = registry.with(layer.event_format(Lines).with_filter(targets)).try_init();
    } else {
        let _ = registry.with(layer.with_filter(targets)).try_init();
    }
}

/// One JSON object a line, with `type` `log`.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let mut object = Map::new();
        object.insert("type".to_owned(), "log".into());
        object.insert("level".to_owned(), event.metadata().level().as_str().to_lowercase().into());
        object.insert("target".to_owned(), event.metadata().target().into());
        object.insert("fields".to_owned(), Value::Object(fields.0));
        writeln!(out, "{}", Value::Object(object))
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}
