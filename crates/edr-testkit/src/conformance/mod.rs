//! The promises, a function each. Those that all nouns share take the noun as a parameter:
//! `paging::sizes::<Host>(&world)`.

pub mod alert_work;
pub mod alerts;
pub mod deeds;
pub mod disturbed;
pub mod errors;
pub mod filters;
pub mod hosts;
pub mod ioc_work;
pub mod listing;
pub mod orders;
pub mod paging;
pub mod times;
