//! Vulnerabilities: what XDR 5 finds on assets, page by page.

use bytes::Bytes;
use edr_core::{
    Cursor, Error, ErrorKind, Noun, PageEnd, PartStream, Query as _, Raw, Result, Vulnerability,
    VulnerabilityQuery,
};
use edr_http::Cutter;
use serde::{Deserialize, Serialize};

use super::CortexXdr;
use crate::api::{Skeleton, assets, reply};
use crate::client::assets::{FINDINGS, next_token};
use crate::dialect::is_path_missing;
use crate::listing::{Ending, Reading, decoded};
use crate::{Generation, map, push};

/// Where a single finding stands, in every form that answers with a list have.
const FINDING: &[&[&str]] = &[&["reply", "data"], &["reply", "DATA"], &["data"], &["DATA"], &["reply"], &[]];

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
        let row = first(&body)?.ok_or_else(absent)?;
        let found = map::vulnerability(&self.client().context(), Raw::new(row))
            .map_err(|bad| crate::alert_pages::undecodable(&bad.reason))?;
        if found.uid == uid { Ok(found) } else { Err(absent()) }
    }
}

/// The first item of the list in an answer, as the vendor sent it; nothing where the list is there and empty. An answer
/// of another form says nothing of what there is.
fn first(body: &Bytes) -> Result<Option<Bytes>> {
    let strange = || reply::strange("no list where it should be");
    let reply = Some(reply::inner(body)?).filter(|reply| !reply.is_null()).ok_or_else(strange)?;
    if reply::items(reply, &["data", "DATA"])?.is_empty() {
        return Ok(None);
    }
    let rows = Cutter::new(FINDING).feed(body).map_err(|e| strange().with_source(e))?;
    rows.into_iter().next().map(Some).ok_or_else(strange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_given_as_it_was_sent() {
        let sent = r#"{"z": 1.50, "a":10000000000000000000000, "z" :"\u0041"}"#;
        for body in [
            format!(r#"{{"reply":{{"metadata":{{}},"data":[{sent}]}}}}"#),
            format!(r#"{{"reply":{{"DATA":[{sent},{{}}]}}}}"#),
            format!(r#"{{"data":[{sent}]}}"#),
            format!(r#"{{"reply":[{sent}]}}"#),
        ] {
            let found = first(&body.clone().into()).unwrap().unwrap();
            assert_eq!(found, sent.as_bytes(), "{body}");
        }
    }

    #[test]
    fn only_a_list_that_is_there_and_empty_says_that_there_is_none() {
        for body in [r#"{"reply":{"data":[]}}"#, r#"{"reply":{"DATA":[]}}"#, r#"{"reply":[]}"#] {
            assert_eq!(first(&Bytes::from_static(body.as_bytes())).unwrap(), None, "{body}");
        }
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"reply":null}"#,
            r#"{"reply":{"rows":[{}]}}"#,
            r#"{"reply":{"data":{}}}"#,
        ] {
            let error = first(&Bytes::from_static(body.as_bytes())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        }
    }
}
