//! Assets of XDR 5 and the vulnerabilities on them.

use std::fmt;
use std::sync::OnceLock;

use edr_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::{Batch, CortexClient, Listing};
use crate::api::assets::{self, Asset, Finding};
use crate::api::{Skeleton, reply};
use crate::dialect::is_path_missing;
use crate::filter::Filters;
use crate::{Generation, wire};

/// Where the findings of a page stand.
pub(crate) const FINDINGS: &[&[&str]] = &[&["reply", "data"]];
/// So many pages in a row may be empty before the listing gives up.
const PATIENCE: u32 = 3;
/// Findings of a page: the vendor's own default.
const PAGE: u32 = 1_000;

impl CortexClient {
    /// Assets of XDR 5.
    ///
    /// ```
    /// # use cortex_xdr::api::assets::AssetFilters;
    /// # async fn run(cortex: &cortex_xdr::CortexClient) -> edr_core::Result<()> {
    /// let mut assets = cortex.assets(AssetFilters::new().classes(["Compute"])?);
    /// while let Some(batch) = assets.next().await {
    ///     batch?.items.iter().for_each(|asset| println!("{:?}", asset.value.name));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn assets(&self, filters: impl Into<Filters>) -> Listing<Asset> {
        Listing::new(self, &assets::ASSET_SHEET, filters.into())
    }

    /// An asset of XDR 5; `None` where there is none of that id.
    ///
    /// # Errors
    /// For an id that is none, and as the vendor answers.
    pub async fn asset(&self, id: &str) -> Result<Option<Asset>> {
        let found = self.reply(self.planned(assets::asset(id))?, data).await;
        self.first(found).await
    }

    /// What was found on the assets of XDR 5: one finding for each pair of asset and vulnerability.
    #[must_use]
    pub fn findings(&self, filters: impl Into<Filters>) -> FindingListing {
        FindingListing { client: self.clone(), filters: filters.into(), token: None, done: false, idle: 0 }
    }

    /// A finding; `None` where there is none of that id.
    ///
    /// # Errors
    /// For an id that is none, and as the vendor answers.
    pub async fn finding(&self, id: &str) -> Result<Option<Finding>> {
        let found = self.reply(self.planned(assets::finding(id))?, data).await;
        self.first(found).await
    }

    /// The only one of a list. A 404 means that it is not there where the tenant has the call, and that the call is
    /// not there otherwise.
    async fn first<T>(&self, found: Result<Vec<T>>) -> Result<Option<T>> {
        match found {
            Ok(list) => Ok(list.into_iter().next()),
            Err(error) if is_path_missing(&error) && self.generation().await? == Generation::Xdr5 => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn data<T: crate::record::Record>(body: &[u8]) -> Result<Vec<T>> {
    reply::list(body, &["data", "DATA"])
}

/// Findings, page by page. The vendor allows a thousand pages in 24 hours.
pub struct FindingListing {
    client: CortexClient,
    filters: Filters,
    token: Option<String>,
    done: bool,
    idle: u32,
}

impl fmt::Debug for FindingListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindingListing").field("done", &self.done).finish_non_exhaustive()
    }
}

impl FindingListing {
    /// Goes on behind a page, with the same filters; the vendor lets tokens expire.
    #[must_use]
    pub fn resume(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// What leads to the next page.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The next page that brings something; `None` after the last one. After an error the same page can be asked
    /// for again.
    pub async fn next(&mut self) -> Option<Result<Batch<Finding>>> {
        while !self.done {
            match self.page().await {
                Ok(batch) if batch.arrived() == 0 => {}
                other => return Some(other),
            }
        }
        None
    }

    /// Everything that is left.
    ///
    /// # Errors
    /// That of the page that fails; what came before is lost with it.
    pub async fn collect(mut self) -> Result<Batch<Finding>> {
        let mut all = Batch::default();
        while let Some(batch) = self.next().await {
            let batch = batch?;
            all.items.extend(batch.items);
            all.undecodable.extend(batch.undecodable);
            all.total = batch.total.or(all.total);
        }
        Ok(all)
    }

    async fn page(&mut self) -> Result<Batch<Finding>> {
        let plan = assets::findings(&self.filters, PAGE, self.token.as_deref());
        let found = OnceLock::new();
        let envelope = |body: &[u8]| {
            let skeleton = Skeleton::read(body, &["data"], &["filter_count", "total_count"])?;
            // A page has one end.
            let _ = found.set(next_token(body));
            Ok(skeleton)
        };
        let batch = self.client.batch(plan, FINDINGS, assets::read_finding, envelope).await?;
        self.turn(found.into_inner().flatten(), batch.arrived() == 0)?;
        Ok(batch)
    }

    /// Goes to the next page. A token that comes again would lead in a circle.
    fn turn(&mut self, token: Option<String>, is_empty: bool) -> Result<()> {
        self.idle = if is_empty { self.idle + 1 } else { 0 };
        self.done = token.is_none() || token == self.token;
        if !self.done && self.idle >= PATIENCE {
            self.done = true;
            let error = Error::new(ErrorKind::Vendor, "the service gives page after page with nothing in it");
            return Err(self.client.dressed(error, assets::FINDINGS.name));
        }
        self.token = token.filter(|_| !self.done);
        Ok(())
    }
}

/// What leads to the next page.
pub(crate) fn next_token(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    wire::text(value.get("reply")?.get("next_page_token")?)
}
