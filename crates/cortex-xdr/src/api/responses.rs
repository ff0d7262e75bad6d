//! Orders to endpoints: isolate, scan, delete, rename, terminate, upgrade, and the policy that one has.

use std::collections::BTreeMap;

use edr_core::{Error, Result};
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::system::{DEPLOYER, RESPONDER, VIEWER};
use super::{ApiCall, refused};
use crate::filter::Filters;

/// Cuts an endpoint off from the network.
pub static ISOLATE: Operation = Operation::write("endpoints/isolate", RESPONDER);
/// Ends an isolation.
pub static UNISOLATE: Operation = Operation::write("endpoints/unisolate", RESPONDER);
/// Looks for malware.
pub static SCAN: Operation = Operation::write("endpoints/scan", RESPONDER);
/// Ends a scan.
pub static ABORT_SCAN: Operation = Operation::write("endpoints/abort_scan", RESPONDER);
/// Takes endpoints out of the console.
pub static DELETE: Operation = Operation::write("endpoints/delete", DEPLOYER);
/// Gives endpoints an alias.
pub static ALIAS: Operation = Operation::write("endpoints/update_agent_name", DEPLOYER);
/// The policy of an endpoint.
pub static POLICY: Operation = Operation::read("endpoints/get_policy", VIEWER);
/// Ends a process.
pub static TERMINATE_PROCESS: Operation = Operation::write("endpoints/terminate_process", RESPONDER);
/// Ends a chain of processes.
pub static TERMINATE_CAUSALITY: Operation = Operation::write("endpoints/terminate_causality", RESPONDER);
/// Brings agents to another version.
pub static UPGRADE: Operation = Operation::write("endpoints/upgrade", DEPLOYER);

const MANY: &str = "1,000 endpoints";

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&ISOLATE).limit(MANY),
        ApiCall::both(&UNISOLATE).limit(MANY),
        ApiCall::both(&SCAN).limit(MANY),
        ApiCall::both(&ABORT_SCAN).limit(MANY),
        ApiCall::both(&DELETE).limit(MANY),
        ApiCall::both(&ALIAS),
        ApiCall::both(&POLICY),
        ApiCall::three(&TERMINATE_PROCESS),
        ApiCall::three(&TERMINATE_CAUSALITY),
        ApiCall::five(&UPGRADE),
    ]
}

/// The most endpoints of one order.
pub(crate) const MAX_ENDPOINTS: usize = 1_000;

/// The endpoints that an order is for: at least one condition, and no way to say "all".
///
/// ```
/// use cortex_xdr::{Endpoints, Filters};
/// let one = Endpoints::ids(["4d2f…".replace('…', "0")])?;
/// let group = Endpoints::matching(Filters::new().one_of("group_name", ["Kiosks"])?)?;
/// assert!(Endpoints::ids(Vec::<String>::new()).is_err());
/// assert!(Endpoints::matching(Filters::new()).is_err());
/// # Ok::<(), edr_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoints {
    filters: Filters,
    /// How many are named, where they are named.
    named: Option<Vec<String>>,
}

impl Endpoints {
    /// These endpoints, each once.
    ///
    /// # Errors
    /// For none, and for an empty id.
    pub fn ids<I: Into<String>>(ids: impl IntoIterator<Item = I>) -> Result<Self> {
        let mut named: Vec<String> = Vec::new();
        for id in ids.into_iter().map(Into::into) {
            if id.trim().is_empty() {
                return Err(Error::new(
                    edr_core::ErrorKind::InvalidRequest,
                    "the id of an endpoint is empty",
                ));
            }
            if !named.contains(&id) {
                named.push(id);
            }
        }
        let filters = Filters::new().one_of("endpoint_id_list", named.clone())?;
        Ok(Self { filters, named: Some(named) })
    }

    /// Every endpoint that meets the conditions: as `endpoints/get_endpoint` has them.
    ///
    /// # Errors
    /// Without a condition: that would be the whole tenant.
    pub fn matching(filters: impl Into<Filters>) -> Result<Self> {
        let filters = filters.into();
        if filters.is_empty() {
            return Err(Error::new(
                edr_core::ErrorKind::InvalidRequest,
                "no condition says which endpoints are meant",
            )
            .with_hint("an order for the whole tenant is never sent; name the endpoints or a condition"));
        }
        Ok(Self { filters, named: None })
    }

    pub(crate) fn filters(&self) -> Value {
        json!(self.filters)
    }

    /// Refuses more than the operation takes.
    pub(crate) fn at_most(&self, operation: &'static Operation, most: usize) -> Result<&Self> {
        match &self.named {
            Some(named) if named.len() > most => Err(refused(
                operation,
                format!("{} endpoints are named, and {most} is the most", named.len()),
            )
            .with_hint("give the order in parts")),
            _ => Ok(self),
        }
    }

    /// Refuses conditions where the operation takes names alone.
    pub(crate) fn named(&self, operation: &'static Operation, most: usize) -> Result<&Self> {
        if self.named.is_none() {
            return Err(refused(operation, "this order takes ids of endpoints, and no other conditions"));
        }
        self.at_most(operation, most)
    }

    fn single(&self) -> Option<&str> {
        match self.named.as_deref() {
            Some([one]) => Some(one),
            _ => None,
        }
    }
}

/// The body of an order.
pub(crate) fn order(endpoints: &Endpoints, incident: Option<&str>) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("filters".to_owned(), endpoints.filters());
    with_incident(&mut data, incident);
    data
}

/// The incident in whose timeline the order is noted. Null is never sent.
pub(crate) fn with_incident(data: &mut Map<String, Value>, incident: Option<&str>) {
    if let Some(incident) = incident {
        data.insert("incident_id".to_owned(), json!(incident));
    }
}

/// Isolates endpoints: one by its id, several by a filter.
///
/// # Errors
/// For more than 1,000, or other conditions than ids.
pub fn isolate(endpoints: &Endpoints, incident: Option<&str>) -> Result<RequestPlan> {
    isolation(&ISOLATE, endpoints, incident)
}

/// Ends an isolation.
///
/// # Errors
/// As [`isolate`].
pub fn unisolate(endpoints: &Endpoints, incident: Option<&str>) -> Result<RequestPlan> {
    isolation(&UNISOLATE, endpoints, incident)
}

fn isolation(
    operation: &'static Operation,
    endpoints: &Endpoints,
    incident: Option<&str>,
) -> Result<RequestPlan> {
    let endpoints = endpoints.named(operation, MAX_ENDPOINTS)?;
    let mut data = order(endpoints, incident);
    if let Some(id) = endpoints.single() {
        data.remove("filters");
        data.insert("endpoint_id".to_owned(), json!(id));
    }
    Ok(super::post(operation, &Value::Object(data)))
}

/// Scans endpoints.
///
/// # Errors
/// For more than 1,000.
pub fn scan(endpoints: &Endpoints, incident: Option<&str>) -> Result<RequestPlan> {
    let data = order(endpoints.at_most(&SCAN, MAX_ENDPOINTS)?, incident);
    Ok(super::post(&SCAN, &Value::Object(data)))
}

/// Ends the scans of endpoints.
///
/// # Errors
/// For more than 1,000.
pub fn abort_scan(endpoints: &Endpoints, incident: Option<&str>) -> Result<RequestPlan> {
    let data = order(endpoints.at_most(&ABORT_SCAN, MAX_ENDPOINTS)?, incident);
    Ok(super::post(&ABORT_SCAN, &Value::Object(data)))
}

/// Takes endpoints out of the console. Their agents go on, and appear again.
///
/// # Errors
/// For more than 1,000, or other conditions than ids.
pub fn delete_endpoints(endpoints: &Endpoints) -> Result<RequestPlan> {
    let data = order(endpoints.named(&DELETE, MAX_ENDPOINTS)?, None);
    Ok(super::post(&DELETE, &Value::Object(data)))
}

/// Gives endpoints an alias; an empty one takes it away.
///
/// # Errors
/// For more than 1,000.
pub fn set_alias(endpoints: &Endpoints, alias: &str) -> Result<RequestPlan> {
    let mut data = order(endpoints.at_most(&ALIAS, MAX_ENDPOINTS)?, None);
    data.insert("alias".to_owned(), json!(alias));
    Ok(super::post(&ALIAS, &Value::Object(data)))
}

/// The policy of an endpoint.
///
/// # Errors
/// For an empty id.
pub fn policy(endpoint_id: &str) -> Result<RequestPlan> {
    Ok(super::post(&POLICY, &json!({"endpoint_id": super::segment(&POLICY, endpoint_id)?})))
}

/// What is to be ended on an endpoint of XDR 3.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Terminate {
    /// Every process of the chain with this causality id.
    Causality(String),
    /// The process with this instance id.
    Process(String),
}

/// Ends a process or a chain of them.
///
/// # Errors
/// For an empty id.
pub fn terminate(endpoint_id: &str, what: &Terminate, incident: Option<&str>) -> Result<RequestPlan> {
    let (operation, key, id) = match what {
        Terminate::Causality(id) => (&TERMINATE_CAUSALITY, "causality_id", id),
        Terminate::Process(id) => (&TERMINATE_PROCESS, "instance_id", id),
    };
    if id.trim().is_empty() {
        return Err(refused(operation, "the id of what is to be ended is empty"));
    }
    let mut data = Map::new();
    data.insert("agent_id".to_owned(), json!(super::segment(operation, endpoint_id)?));
    data.insert(key.to_owned(), json!(id));
    with_incident(&mut data, incident);
    Ok(super::post(operation, &Value::Object(data)))
}

/// Brings agents of XDR 5 to the version that is given for their platform (`windows`, `linux`, `macos`).
///
/// # Errors
/// For no version, for more than 1,000 endpoints, and for other conditions than ids.
pub fn upgrade(endpoints: &Endpoints, versions: &BTreeMap<String, String>) -> Result<RequestPlan> {
    let named = endpoints.named(&UPGRADE, MAX_ENDPOINTS)?.named.as_deref().unwrap_or_default();
    if versions.is_empty() {
        return Err(refused(&UPGRADE, "no version is given"));
    }
    Ok(super::post(&UPGRADE, &json!({"endpoint_ids": named, "target_versions": versions})))
}

#[cfg(test)]
mod tests {
    use edr_http::Body;

    use super::*;

    fn body(plan: &RequestPlan) -> Value {
        let Body::Bytes(_, bytes) = &plan.body else { panic!("a body") };
        serde_json::from_slice::<Value>(bytes).unwrap()["request_data"].clone()
    }

    #[test]
    fn one_endpoint_is_named_and_several_are_filtered() {
        let one = isolate(&Endpoints::ids(["a", "a"]).unwrap(), None).unwrap();
        assert_eq!(body(&one), json!({"endpoint_id": "a"}));
        assert!(!one.operation.idempotent);
        let two = unisolate(&Endpoints::ids(["a", "b"]).unwrap(), Some("7")).unwrap();
        let filters = json!([{"field": "endpoint_id_list", "operator": "in", "value": ["a", "b"]}]);
        assert_eq!(body(&two), json!({"filters": filters, "incident_id": "7"}));
    }

    #[test]
    fn nothing_is_ever_for_everybody() {
        assert!(Endpoints::ids(Vec::<String>::new()).is_err());
        assert!(Endpoints::ids([" "]).is_err());
        assert!(Endpoints::matching(Filters::new()).is_err());
        let many = Endpoints::ids((0..1_001).map(|n| n.to_string())).unwrap();
        for plan in [isolate(&many, None), scan(&many, None), delete_endpoints(&many), set_alias(&many, "x")]
        {
            assert!(plan.unwrap_err().to_string().contains("1000 is the most"));
        }
        let group = Endpoints::matching(Filters::new().one_of("group_name", ["g"]).unwrap()).unwrap();
        assert!(isolate(&group, None).is_err() && delete_endpoints(&group).is_err());
        assert!(scan(&group, None).is_ok());
    }

    #[test]
    fn the_other_orders() {
        let one = Endpoints::ids(["a"]).unwrap();
        assert_eq!(body(&set_alias(&one, "").unwrap())["alias"], "");
        assert_eq!(body(&policy("a").unwrap()), json!({"endpoint_id": "a"}));
        assert!(policy("../x").is_err());
        let end = terminate("a", &Terminate::Process("i".into()), None).unwrap();
        assert_eq!(body(&end), json!({"agent_id": "a", "instance_id": "i"}));
        assert!(terminate("a", &Terminate::Causality(String::new()), None).is_err());
        let versions = BTreeMap::from([("linux".to_owned(), "8.4.0".to_owned())]);
        assert_eq!(body(&upgrade(&one, &versions).unwrap())["endpoint_ids"], json!(["a"]));
        assert!(upgrade(&one, &BTreeMap::new()).is_err());
    }
}
