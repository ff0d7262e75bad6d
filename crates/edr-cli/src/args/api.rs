//! `edr api`.

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  edr api GET /devices/queries/devices/v1 -t acme --query limit=5 --query 'sort=last_seen.desc'
  edr api GET /alerts/queries/alerts/v2 -t acme --paginate -o jsonl
  edr api POST incidents/get_incidents -t globex --body '{\"request_data\": {}}' --paginate
  edr api PATCH /alerts/entities/alerts/v3 -t acme --body @update.json --include

This is the vendor's own API with our credentials, pace and retries. The guards of other commands do
not hold here: what it changes is changed. A request that may change something needs an exact -t.
The body of an answer that is no success is printed, too; the error is on standard error.
Exit codes: 0 complete, 1 failed, 2 usage, 3 partial, 4 authentication or permission, 5 not found,
8 rate limited.";

/// What is sent.
#[derive(Clone, Args)]
pub(crate) struct ApiCall {
    /// GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS
    #[arg(value_name = "METHOD")]
    pub(crate) method: String,
    /// The path behind the tenant's host; a path of Cortex XDR without a leading / is below /public_api/v1/
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// A JSON body: itself, @FILE, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub(crate) body: Option<String>,
    /// A pair of the query, encoded here (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) query: Vec<String>,
    /// Read every page of a listing and print all items: one array, or with -o jsonl one a line
    #[arg(long)]
    pub(crate) paginate: bool,
    /// Say that twice is once: it may be sent again when it is open whether it was done. A GET always may
    #[arg(long)]
    pub(crate) repeatable: bool,
    /// Print status and headers before the body; values that could be secret are left out
    #[arg(short, long, conflicts_with = "paginate")]
    pub(crate) include: bool,
}

impl std::fmt::Debug for ApiCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiCall").field("method", &self.method).finish_non_exhaustive()
    }
}
