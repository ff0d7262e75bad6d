//! What a host was before, and how well it is set up.

use edr_core::{Error, ErrorKind, HostHistory, Noun, Result, Risk};

use super::{Falcon, says};
use crate::api::Endpoint;
use crate::api::hosts::{self, HistoryParams};
use crate::api::zero_trust;
use crate::{ById, map};

/// The most logins that are told of a host.
const LOGINS: u32 = 100;

impl Falcon {
    /// Logins of the last seven days, and addresses.
    pub(super) async fn past(&self, uid: &str) -> Result<HostHistory> {
        let endpoint = &hosts::LOGIN_HISTORY;
        self.check_device(uid, endpoint)?;
        let params = HistoryParams { limit: Some(LOGINS), ..HistoryParams::default() };
        let logins = self.client().login_history(&[uid], &params).await?;
        let addresses = self.client().network_history(&[uid]).await?;
        let logins = self.single(logins, endpoint)?;
        let addresses = self.single(addresses, &hosts::NETWORK_HISTORY)?;
        if logins.is_none() && addresses.is_none() {
            let error = Error::new(ErrorKind::NotFound, format!("no {} {uid}", Noun::Host));
            return Err(self.named(error, endpoint.operation.name));
        }
        let logins = logins.map(|l| l.recent_logins).unwrap_or_default();
        let addresses = addresses.map(|a| a.history).unwrap_or_default();
        Ok(map::history(logins, addresses, &self.context()))
    }

    /// Nothing where the host was not assessed, or is not there: the vendor does not tell the two apart.
    pub(super) async fn posture(&self, uid: &str) -> Result<Option<Risk>> {
        self.check_device(uid, &zero_trust::ENTITIES)?;
        let found = self.client().assessments_by_id(&[uid]).await?;
        let assessment = self.single(found, &zero_trust::ENTITIES)?.and_then(|a| a.assessment);
        Ok(assessment.and_then(|scores| scores.overall).map(map::posture))
    }

    /// The one thing that was asked for; what the vendor said in its place is an error.
    fn single<T>(&self, by_id: ById<T>, endpoint: &'static Endpoint) -> Result<Option<T>> {
        let operation = endpoint.operation.name;
        if !by_id.undecoded.is_empty() {
            return Err(self.named(Error::new(ErrorKind::Decode, "the answer cannot be read"), operation));
        }
        match (by_id.found.into_iter().next(), by_id.errors.first()) {
            (None, Some(error)) => Err(self.named(Error::new(ErrorKind::Vendor, says(error)), operation)),
            (found, _) => Ok(found),
        }
    }
}
