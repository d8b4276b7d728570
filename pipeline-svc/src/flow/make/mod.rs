//! What is made of tables and sources: files on the local disk, with their sums.

pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod parquet;
pub(crate) mod python;
pub(crate) mod sink;
pub(crate) mod sqlite;
pub(crate) mod value;
pub(crate) mod zip;
