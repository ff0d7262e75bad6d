//! Installers of the sensor, and sensors in use (falcon-api section 7).

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::envelope::Envelope;
use super::fql::{Dialect, Expr, Kind, parse};
use super::hosts_list::Refused;
use super::things::{Ask, Style, bad, by_id, no_method, page, refuse, service, then};
use crate::blob::Blob;
use crate::estate::hash::mix_str;
use crate::state::SimState;

const SERVICE: &str = "binserv";
const USAGE: &str = "billing-dashboards-usage";

const STYLE: Style = Style {
    service: SERVICE,
    dialect: &Dialect {
        strict: false,
        properties: &[
            ("name", Kind::Text),
            ("os_version", Kind::Text),
            ("platform", Kind::Text),
            ("release_date", Kind::Time),
            ("sha256", Kind::Exact),
            ("version", Kind::Text),
        ],
    },
    most: 500,
    default: 100,
    sort: "release_date|desc",
    pipe: false,
    next_offset: false,
    silent: false,
};

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/sensors/combined/installers/v3", service(list))
        .route("/sensors/queries/installers/v3", service(list))
        .route("/sensors/entities/installers/v3", service(entities))
        .route("/sensors/entities/download-installer/v1", service(download))
        .route("/sensors/entities/download-installer/v2", service(download))
        .route("/sensors/entities/download-installer/v3", service(download))
        .route("/sensors/queries/installers/ccid/v1", service(ccid))
        .route("/billing-dashboards-usage/aggregates/weekly-average/v1", service(usage))
        .route("/billing-dashboards-usage/aggregates/hourly-average/v1", service(usage))
}

fn installers(ask: &Ask<'_>) -> Vec<Value> {
    let one = |(platform, os, kind): (&str, &str, &str), n: u64| {
        let name = format!("falcon-sensor-7.{}.{}.{kind}", 20 + n, 18_904 + n);
        let content = Blob::new(ask.c.state.options.download_bytes, mix_str(0x1A57, &name));
        json!({"name": name, "platform": platform, "os": os, "os_version": "", "file_type": kind,
            "description": format!("Falcon sensor for {os}"), "version": format!("7.{}.{}", 20 + n, 18_904 + n),
            "sha256": content.sha256(), "file_size": content.size(), "is_lts": n == 2,
            "release_date": then(ask.c, &name), "architectures": ["x86_64"]})
    };
    let kinds = [("windows", "Windows", "exe"), ("mac", "macOS", "pkg"), ("linux", "Ubuntu", "deb")];
    kinds.into_iter().flat_map(|kind| (1..=5).map(move |n| one(kind, n))).collect()
}

fn list(ask: &Ask<'_>) -> Result<Response, Refused> {
    let page = page(ask, installers(ask), &STYLE)?;
    let ids = ask.path.starts_with("/sensors/queries/");
    let envelope = if ids { page.ids(SERVICE, "sha256") } else { page.reply(SERVICE, &page.rows) };
    Ok(envelope.into_response())
}

/// 207 when one of the ids is not there.
fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::GET {
        return no_method();
    }
    let ids = ask.ids(SERVICE, "ids", 500)?;
    let mut envelope = by_id(SERVICE, &installers(ask), "sha256", &ids, "installer");
    if !envelope.errors.is_empty() {
        envelope.status = StatusCode::MULTI_STATUS;
    }
    Ok(envelope.into_response())
}

/// The installer's bytes; they are made as they are sent.
fn download(ask: &Ask<'_>) -> Result<Response, Refused> {
    let id = ask.need(SERVICE, "id")?;
    let mut all = installers(ask).into_iter();
    match all.find(|one| one["sha256"] == id) {
        Some(one) => {
            let name = one["name"].as_str().unwrap_or_default();
            let options = &ask.c.state.options;
            let content = Blob::new(options.download_bytes, mix_str(0x1A57, name));
            Ok(content.answer(ask.headers, options.download_ranges))
        }
        None => Err(refuse(SERVICE, StatusCode::NOT_FOUND, "installer not found", id)),
    }
}

fn ccid(ask: &Ask<'_>) -> Result<Response, Refused> {
    let cid = ask.c.falcon.cid.to_uppercase();
    let sum = format!("{:02X}", mix_str(0xCC1D, &cid) % 256);
    Ok(Envelope::new(SERVICE).with(&[format!("{cid}-{sum}")]).into_response())
}

/// The values of a filter are texts, numbers too.
fn usage(ask: &Ask<'_>) -> Result<Response, Refused> {
    let filter = ask.get("filter").unwrap_or_default();
    if !filter.is_empty() {
        let expr = parse(filter).map_err(|_| bad(USAGE, "invalid filter"))?;
        if !known(&expr) {
            return Err(bad(USAGE, "invalid filter"));
        }
    }
    let hosts = ask.c.tenant.estate.host_count() as f64;
    let now = ask.c.state.clock.now();
    let row = |n: i64| {
        let day = (now - TimeDelta::days(2 + 7 * n)).format("%Y-%m-%d").to_string();
        json!({"date": day, "workstations": hosts * 0.7, "servers_without_containers": hosts * 0.2,
            "servers_with_containers": hosts * 0.1, "containers": 0.0, "chrome_os": 0.0, "lumos": 0.0, "mobile": 0.0,
            "public_cloud_with_containers": 0.0, "public_cloud_without_containers": 0.0})
    };
    let rows: Vec<Value> = (0..4).map(row).collect();
    Ok(Envelope::new(USAGE).with(&rows).into_response())
}

fn known(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) => parts.iter().all(known),
        Expr::Or(_) => false,
        Expr::Term(term) => {
            let quoted = term.values.iter().all(|v| matches!(v, super::fql::Literal::Quoted(_)));
            quoted && ["event_date", "period", "selected_cids"].contains(&term.property.as_str())
        }
    }
}
