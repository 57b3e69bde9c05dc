//! Drains request bodies that the handler did not read (lingering close, RFC 9112 section 9.6).
//!
//! A response may precede the body: too large, overloaded, unknown route. Closing a socket with unread bytes resets the
//! connection, and the reset overtakes the response: the client would see a broken pipe instead of the 413. So the rest
//! of the body is read and discarded, within bounds, while the response is sent. Until then the connection is not idle.
//! A client that sent `Expect: 100-continue` waits before it sends the body, so nothing is drained.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::http::keep_alive::BodyGuard;

/// Most bytes that are discarded: several times the largest body that is accepted by default.
const DISCARDED_BYTES_MAX: usize = 16 << 20;

/// Longest time spent on discarding.
const DISCARDING_TIMEOUT: Duration = Duration::from_secs(2);

/// A request body whose unread rest is drained when it is dropped.
#[derive(Debug)]
pub(crate) struct LingeringBody {
    /// `None` only during the drop.
    body: Option<(Incoming, BodyGuard)>,
    lingers: bool,
}

impl LingeringBody {
    pub(crate) fn new(body: Incoming, guard: BodyGuard, lingers: bool) -> Self {
        Self { body: Some((body, guard)), lingers }
    }
}

impl Body for LingeringBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |(body, _)| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, |(body, _)| body.size_hint())
    }
}

impl Drop for LingeringBody {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|(body, _)| self.lingers && !body.is_end_stream());
        let Some((body, guard)) = unread else { return };
        // Without a runtime the connection has ended as well.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(DISCARDING_TIMEOUT, discard(body, guard)));
        }
    }
}

async fn discard(mut body: Incoming, _guard: BodyGuard) {
    let mut n_bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        n_bytes += frame.data_ref().map_or(0, Bytes::len);
        if n_bytes > DISCARDED_BYTES_MAX {
            return;
        }
    }
}
