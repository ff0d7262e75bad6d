//! Queries: begun, waited for and read, four of them at once.

use edr_core::{Error, ErrorKind, Result};
use tokio::sync::OwnedSemaphorePermit;

use super::CortexClient;
use crate::api::actions::Patience;
use crate::api::reply;
use crate::api::xql::{self, QueryResults, Row, XqlQuery, XqlQuota};

/// A query that was begun. It holds one of the four turns that the tenant has until it is dropped.
#[derive(Debug)]
pub struct XqlRun {
    client: CortexClient,
    id: String,
    _turn: OwnedSemaphorePermit,
}

impl XqlRun {
    /// The vendor's id for it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How far it is, at once.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn results(&self) -> Result<QueryResults> {
        self.client.reply(xql::query_results(&self.id, None), reply::object).await
    }

    /// Waits for its end and gives every row, be it many. A failure ends the wait.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when the query failed, [`ErrorKind::Timeout`] when the time is up, and
    /// [`ErrorKind::Decode`] when rows are damaged or fewer came than the vendor counts.
    pub async fn wait(self, patience: &Patience) -> Result<QueryResults> {
        let last = self.client.poll(patience, || self.results(), QueryResults::is_over).await?;
        let named = |e: Error| self.client.dressed(e, xql::RESULTS.name);
        let mut ended = last.into_ended().map_err(named)?;
        if let Some(stream) = ended.stream_id.take() {
            ended.rows = self.client.query_stream(&stream, true).await?;
        }
        let short = ended.number_of_results.is_some_and(|count| (ended.rows.len() as u64) < count);
        if short {
            let message =
                format!("{} of {} rows came", ended.rows.len(), ended.number_of_results.unwrap_or_default());
            return Err(named(Error::new(ErrorKind::Decode, message)));
        }
        Ok(ended)
    }
}

impl CortexClient {
    /// Begins a query; waits first, where four of this client run already.
    ///
    /// # Errors
    /// For an empty query, and as the vendor answers: a query that it cannot read is refused at once.
    pub async fn start_query(&self, query: &XqlQuery) -> Result<XqlRun> {
        let plan = self.planned(xql::start_query(query))?;
        let closed = |_| Error::new(ErrorKind::Cancelled, "the turns for queries are closed");
        let turn = self.0.queries.clone().acquire_owned().await.map_err(closed)?;
        let id = self.reply(plan, xql::started).await?;
        Ok(XqlRun { client: self.clone(), id, _turn: turn })
    }

    /// Runs a query to its end.
    ///
    /// ```
    /// # use cortex_xdr::{CortexClient, Patience, api::xql::XqlQuery};
    /// # async fn run(cortex: &CortexClient) -> edr_core::Result<()> {
    /// let query = XqlQuery::new("dataset = xdr_data | fields agent_hostname | limit 10");
    /// for row in cortex.query(&query, &Patience::default()).await?.rows {
    ///     println!("{:?}", row.text("agent_hostname"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::start_query`] and [`XqlRun::wait`].
    pub async fn query(&self, query: &XqlQuery, patience: &Patience) -> Result<QueryResults> {
        self.start_query(query).await?.wait(patience).await
    }

    /// The rows of a stream, packed once or twice or not at all.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when a row is damaged, and as the vendor answers.
    pub async fn query_stream(&self, stream_id: &str, gzip: bool) -> Result<Vec<Row>> {
        let read = |body: &[u8]| match xql::rows(body) {
            (rows, broken) if broken.is_empty() => Ok(rows),
            (rows, broken) => {
                let message = format!("{} of {} rows are damaged", broken.len(), rows.len() + broken.len());
                Err(Error::new(ErrorKind::Decode, message))
            }
        };
        self.reply(xql::query_stream(stream_id, gzip), read).await
    }

    /// What of the day's budget of queries is left.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn xql_quota(&self) -> Result<XqlQuota> {
        self.reply(xql::xql_quota(), reply::object).await
    }
}
