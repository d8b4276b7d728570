//! Calls whose answer must be known: asked again while it is lost.

use std::time::Duration;

use madang_kit::Result;

/// Waits between tries: doubled each time, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(3);

/// Makes a call that has its effect once however often it is made, until it is answered or refused.
pub(super) async fn answered<T, F: Future<Output = Result<T>>>(mut call: impl FnMut() -> F) -> Result<T> {
    let mut wait = FIRST_WAIT;
    loop {
        match call().await {
            Err(error) if !error.is_refusal() && wait <= LAST_WAIT => tokio::time::sleep(wait).await,
            other => return other,
        }
        wait *= 2;
    }
}
