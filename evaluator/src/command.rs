//! The subcommands, one per file.

pub(crate) mod alerts;
pub(crate) mod capacity;
pub(crate) mod compare;
pub(crate) mod gate;
pub(crate) mod generate;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod promise;
pub(crate) mod records;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod score;
pub(crate) mod sweep;
pub(crate) mod tune;

mod scores;
