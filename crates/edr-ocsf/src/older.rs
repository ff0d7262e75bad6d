//! An event of 1.8.0 taken back to 1.3.0.

use serde_json::{Map, Value};

use crate::version::{Loss, Version};

pub(crate) fn take_back(event: &mut Map<String, Value>) -> Vec<Loss> {
    let _ = (event, Version::V1_3_0);
    Vec::new()
}
