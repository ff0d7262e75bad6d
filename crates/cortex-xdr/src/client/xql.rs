//! Queries: begun, waited for and read, four of them at once.

use std::fmt;

use edr_core::{Error, ErrorKind, Result, RetryStatus};
use edr_http::{Dialect as _, Download, Downloaded, Failure, LineReader, Verdict};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;

use super::CortexClient;
use crate::api::actions::Patience;
use crate::api::reply;
use crate::api::xql::{self, QueryResults, Row, XqlQuery, XqlQuota};
use crate::dialect::Cortex;

/// How often a stream is asked for that breaks off or ends in an error that may pass.
const ATTEMPTS: u32 = 3;

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
        let mut ended = self.ended(patience).await?;
        if let Some(stream) = ended.stream_id.take() {
            ended.rows = self.client.query_stream(&stream, true).await?;
        }
        match short(ended.rows.len() as u64, ended.number_of_results) {
            Some(error) => Err(self.client.dressed(error, xql::RESULTS.name)),
            None => Ok(ended),
        }
    }

    /// Waits for its end and gives the rows one by one, as they arrive: memory holds one, be it millions. A failure
    /// ends the wait.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when the query failed, [`ErrorKind::Timeout`] when the time is up.
    pub async fn rows(self, patience: &Patience) -> Result<Rows> {
        let ended = self.ended(patience).await?;
        let mut rows = match &ended.stream_id {
            Some(stream) => self.client.query_rows(stream, true).await?,
            None => Rows::of(&self.client, Source::Ready(ended.rows.into_iter())),
        };
        rows.expected = ended.number_of_results;
        Ok(rows)
    }

    async fn ended(&self, patience: &Patience) -> Result<QueryResults> {
        let last = self.client.poll(patience, || self.results(), QueryResults::is_over).await?;
        last.into_ended().map_err(|e| self.client.dressed(e, xql::RESULTS.name))
    }
}

/// Says that rows are missing.
fn short(came: u64, expected: Option<u64>) -> Option<Error> {
    let expected = expected.filter(|expected| came < *expected)?;
    Some(Error::new(ErrorKind::Decode, format!("{came} of {expected} rows came")))
}

/// The rows of a query, one by one.
pub struct Rows {
    client: CortexClient,
    source: Source,
    /// Lines so far, of a stream.
    line: u64,
    came: u64,
    expected: Option<u64>,
}

enum Source {
    Done,
    Ready(std::vec::IntoIter<Row>),
    Stream(Box<LineReader>),
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("came", &self.came)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

impl Rows {
    fn of(client: &CortexClient, source: Source) -> Self {
        Self { client: client.clone(), source, line: 0, came: 0, expected: None }
    }

    /// The next row; `None` after the end. A row that is damaged is an error, and the next one follows; so is the end
    /// when fewer rows came than the vendor counted, and a connection that broke, with which the rows end. A call that
    /// is dropped loses nothing.
    pub async fn next(&mut self) -> Option<Result<Row>> {
        loop {
            let line = match &mut self.source {
                Source::Done => return None,
                Source::Ready(rows) => match rows.next() {
                    Some(row) => return Some(Ok(self.count(row))),
                    None => return self.end(),
                },
                Source::Stream(lines) => lines.next().await,
            };
            match line {
                None => return self.end(),
                Some(Err(error)) => {
                    self.source = Source::Done;
                    return Some(Err(error));
                }
                Some(Ok(line)) => {
                    if let Some(row) = self.read(&line) {
                        return Some(row);
                    }
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.source, Source::Done)
    }

    fn count(&mut self, row: Row) -> Row {
        self.came += 1;
        row
    }

    fn end(&mut self) -> Option<Result<Row>> {
        self.source = Source::Done;
        short(self.came, self.expected).map(|e| Err(self.client.dressed(e, xql::STREAM.name)))
    }

    fn read(&mut self, line: &[u8]) -> Option<Result<Row>> {
        self.line += 1;
        if self.line == 1
            && let Some(error) = self.error_inside(line)
        {
            self.source = Source::Done;
            return Some(Err(self.client.dressed(error, xql::STREAM.name)));
        }
        let row = xql::row(line, self.line)?;
        Some(row.map(|row| self.count(row)).map_err(|e| self.client.dressed(e, xql::STREAM.name)))
    }

    /// An error in the dress of a success stands where the first row would.
    fn error_inside(&self, line: &[u8]) -> Option<Error> {
        let Source::Stream(lines) = &self.source else { return None };
        let (operation, now) = (&xql::STREAM, self.client.now());
        let reply = Failure {
            operation,
            status: StatusCode::OK,
            headers: lines.headers(),
            body: line,
            has_items: false,
            now,
        };
        match (Cortex { key_type: self.client.key_type() }).judge_success(&reply)? {
            Verdict::Fail(error) | Verdict::Reauthenticate(error) | Verdict::Relocate(_, error) => {
                Some(error)
            }
            Verdict::Retry { error, .. } => Some(error.with_retry(RetryStatus::Temporary)),
            _ => None,
        }
    }

    /// The rows as a stream.
    #[must_use]
    pub fn into_stream(self) -> BoxStream<'static, Result<Row>> {
        stream::unfold(self, |mut rows| async move { rows.next().await.map(|row| (row, rows)) }).boxed()
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

    /// The rows of a stream, packed once or twice or not at all, all of them. A connection that breaks is made again.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`] when a row is damaged, and as the vendor answers.
    pub async fn query_stream(&self, stream_id: &str, gzip: bool) -> Result<Vec<Row>> {
        let mut left = ATTEMPTS;
        loop {
            match self.gathered(stream_id, gzip).await {
                Err(error) if left > 1 && error.retry_status() == RetryStatus::Temporary => {
                    left -= 1;
                    self.http().hold(&error);
                }
                other => return other,
            }
        }
    }

    async fn gathered(&self, stream_id: &str, gzip: bool) -> Result<Vec<Row>> {
        let mut rows = self.query_rows(stream_id, gzip).await?;
        let (mut good, mut damaged) = (Vec::new(), 0_u64);
        while let Some(row) = rows.next().await {
            match row {
                Ok(row) => good.push(row),
                Err(error) if error.kind() == ErrorKind::Decode && !rows.is_done() => damaged += 1,
                Err(error) => return Err(error),
            }
        }
        if damaged == 0 {
            return Ok(good);
        }
        let message = format!("{damaged} of {} rows are damaged", good.len() as u64 + damaged);
        Err(self.dressed(Error::new(ErrorKind::Decode, message), xql::STREAM.name))
    }

    /// The rows of a stream one by one, as they arrive.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn query_rows(&self, stream_id: &str, gzip: bool) -> Result<Rows> {
        let reply = self.http().stream(xql::query_stream(stream_id, gzip)).await?;
        Ok(Rows::of(self, Source::Stream(Box::new(reply.unpacked().lines(xql::LONGEST)))))
    }

    /// Writes the rows of a stream to a file as they are sent: a JSON object a line, packed as a whole where `gzip`
    /// is asked for.
    ///
    /// # Errors
    /// As [`Self::download`].
    pub async fn download_query(&self, stream_id: &str, gzip: bool, to: &Download) -> Result<Downloaded> {
        self.http().download_to(&xql::query_stream(stream_id, gzip), to).await
    }

    /// What of the day's budget of queries is left.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn xql_quota(&self) -> Result<XqlQuota> {
        self.reply(xql::xql_quota(), reply::object).await
    }
}
