//! Vulnerabilities: what XDR 5 finds on assets, page by page.

use edr_core::{
    Cursor, Error, ErrorKind, Noun, PageEnd, PartStream, Query as _, Raw, Result, Vulnerability,
    VulnerabilityQuery,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CortexXdr;
use crate::api::{Skeleton, assets};
use crate::client::assets::{FINDINGS, next_token};
use crate::dialect::is_path_missing;
use crate::listing::{Ending, Reading, decoded};
use crate::{Generation, map, push};

/// A place in a listing: what leads to the page.
#[derive(Serialize, Deserialize)]
struct Place {
    token: String,
}

impl CortexXdr {
    async fn has_findings(&self) -> Result<()> {
        match self.client().generation().await? {
            Generation::Xdr3 => Err(Error::unsupported(push::NO_VULNERABILITIES)),
            Generation::Xdr5 => Ok(()),
        }
    }

    pub(super) async fn open_findings<'a>(
        &'a self,
        query: &'a VulnerabilityQuery,
        cursor: Option<Cursor>,
    ) -> Result<PartStream<'a, Vulnerability>> {
        if let Some(sort) = query.sort {
            let reason = format!("vulnerabilities of Cortex XDR are not sorted by {}", sort.field.name);
            return Err(Error::unsupported(reason));
        }
        self.has_findings().await?;
        let print = query.fingerprint();
        let open =
            |cursor: Cursor| cursor.open::<Place>(self.client().http().tenant(), Noun::Vulnerability, print);
        let place = cursor.map(open).transpose()?;
        // Few calls are allowed in a day, so the pages are large.
        let size = query.page_size().unwrap_or(assets::MAX_FINDINGS);
        let filters = push::vulnerabilities(&query.filters);
        let plan = assets::findings(&filters, size, place.as_ref().map(|p| p.token.as_str()));
        let (reader, context) = (self.client().http().items(plan, FINDINGS), self.client().context());
        let reading = Reading {
            client: self.client(),
            items: decoded(reader, None, move |raw| map::vulnerability(&context, raw)),
            query,
            key: |_| None,
            descending: false,
            anchor: None,
            from: 0,
            disordered: false,
            end: Box::new(move |body, _| self.findings_end(print, body)),
            operation: assets::FINDINGS.name,
        };
        Ok(reading.into_parts())
    }

    fn findings_end(&self, print: u64, body: &[u8]) -> Result<Ending> {
        let total = Skeleton::read(body, &["data"], &["filter_count"])?.total;
        let tenant = self.client().http().tenant();
        let seal = |token| Cursor::seal(tenant, Noun::Vulnerability, print, &Place { token });
        let next = next_token(body).map(seal).transpose()?;
        Ok(Ending { end: PageEnd { next, total }, hollow: false })
    }

    pub(super) async fn one_finding(&self, uid: &str) -> Result<Vulnerability> {
        self.has_findings().await?;
        let absent = || Error::new(ErrorKind::NotFound, format!("there is no vulnerability {uid}"));
        let plan = assets::finding(uid)?;
        let body = match self.client().http().fetch(&plan).await {
            Err(error) if is_path_missing(&error) => return Err(absent()),
            reply => reply?.body,
        };
        let body: Value = serde_json::from_slice(&body)
            .map_err(|_| Error::new(ErrorKind::Decode, "the answer is not JSON"))?;
        let row = body["reply"]["data"].get(0).ok_or_else(absent)?;
        let found = map::vulnerability(&self.client().context(), Raw::new(row.to_string()))
            .map_err(|bad| crate::alert_pages::undecodable(&bad.reason))?;
        if found.uid == uid { Ok(found) } else { Err(absent()) }
    }
}
