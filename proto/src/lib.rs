//! The contracts between the gateway and the services, generated from `proto/*.proto`. No logic lives here; the meaning of every
//! field stands in the `.proto` files.
// Generated code follows its own style.
#![allow(missing_docs, unreachable_pub, clippy::pedantic)]

/// What all contracts share.
pub mod common {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("madang.common.v1");
    }
}

/// Organizations, datasets and tables.
pub mod catalog {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("madang.catalog.v1");
    }
}

/// Pipelines and runs.
pub mod pipeline {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("madang.pipeline.v1");
    }
}

/// Surveys, collect groups, panels and answer sheets.
pub mod survey {
    /// Version 1.
    pub mod v1 {
        tonic::include_proto!("madang.survey.v1");
    }
}
