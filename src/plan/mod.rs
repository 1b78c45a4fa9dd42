//! How many workers a load takes: from what a photo was measured to cost, through the rule by which workers are added, to the
//! delay that uploads will see. Everything here is arithmetic on its arguments; nothing is measured.

mod day;
mod plot;
mod profile;
mod size;

pub use self::{
    day::{Day, Demand, Moment, Rule, simulate},
    plot::plot,
    profile::Profile,
    size::{Region, Sizing},
};
