//! Data Flow's routes (dataflow.md section 3). `/jobs/verify` is a word beside `/jobs/{id}`, never an id.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

use super::{error, execution, job, stats, trigger, workflow};
use crate::Gateway;

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        // dashboard
        .route("/api/v1/stats/executions", get(stats::result))
        .route("/api/v1/stats/executions-interval", get(stats::count))
        .route("/api/v1/stats/executions-times", get(stats::times))
        .route("/api/v1/stats/execution-times", get(stats::times))
        // workflows
        .route("/api/v1/workflows", get(workflow::list).post(workflow::create))
        .route("/api/v1/workflows/{id}", get(workflow::show).put(workflow::update).delete(workflow::delete))
        .route("/api/v1/workflows/{id}/executions", get(workflow::executions).post(workflow::execute))
        // jobs
        .route("/api/v1/jobs", get(job::list).post(job::create))
        .route("/api/v1/jobs/verify", post(job::verify))
        .route("/api/v1/jobs/{id}", get(job::show).put(job::replace).patch(job::change).delete(job::delete))
        .route("/api/v1/jobs/{id}/executions", get(execution::list).post(execution::start).put(job::configure))
        .route("/api/v1/jobs/{id}/executions/{execution}", get(execution::show))
        .route("/api/v1/jobs/{id}/executions/{execution}/cancel", post(execution::cancel))
        // triggers
        .route("/api/v1/triggers", get(trigger::list).post(trigger::create))
        .route("/api/v1/triggers/{id}", get(trigger::show).delete(trigger::delete))
        // each handler has its own limit
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn(error::tell))
}
