//! Object stores of one region. A [`RegionStore`] comes only from [`StoreSet::open`], which makes clients for the stores
//! of the worker's own region and for no other: what belongs elsewhere cannot be read or written from here.
//!
//! Errors of stores and their clients tell URLs, and with them keys and signatures. They end in one place: no text that
//! leaves this module names an object, a bucket or an address.

mod contents;
mod credentials;
mod encryption;
mod facts;
mod fetch;
mod http;
mod integrity;
mod open;
mod originals;
mod publish;
mod region_store;
mod replace;
mod rights;
mod set;
mod start;
mod trouble;
mod urls;
mod wire;

pub use self::{
    contents::{Contents, StoredRevision, StoredVersion},
    facts::ObjectFacts,
    fetch::FetchedObject,
    originals::Removal,
    publish::Put,
    region_store::{Capabilities, Deletion, RegionStore},
    replace::Present,
    set::{StoreLimits, StoreSet},
    urls::{UrlFetcher, UrlRules},
};
