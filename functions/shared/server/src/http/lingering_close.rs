//! Bodies that are read to their end although nobody wants them.
//!
//! An answer may come before the body has been read: too large, overloaded, no such route. A socket
//! that is closed with bytes unread resets the connection, and the reset overtakes the answer: the
//! sender would see a broken pipe in the place of the 413. So what is left is read and thrown away,
//! within bounds, beside the answer. A sender that said `Expect: 100-continue` needs none of this.
//! Until then the connection is not quiet.

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

/// Most bytes that are thrown away: what a sender may have meant to be acceptable, several times.
const DISCARDED_BYTES_MAX: usize = 16 << 20;

/// Longest time spent on it.
const DISCARDING_TIMEOUT: Duration = Duration::from_secs(2);

/// A body whose unread rest is thrown away when it is dropped, where it is wanted.
#[derive(Debug)]
pub(crate) struct LingeringBody {
    /// None only once it is dropped.
    body: Option<(Incoming, BodyGuard)>,
    lingers: bool,
}

impl LingeringBody {
    pub(crate) fn new(body: Incoming, held: BodyGuard, lingers: bool) -> Self {
        Self { body: Some((body, held)), lingers }
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
        let Some((body, held)) = unread else { return };
        // Without a runtime the connection is gone as well.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(DISCARDING_TIMEOUT, discard(body, held)));
        }
    }
}

async fn discard(mut body: Incoming, _held: BodyGuard) {
    let mut n_bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        n_bytes += frame.data_ref().map_or(0, Bytes::len);
        if n_bytes > DISCARDED_BYTES_MAX {
            return;
        }
    }
}
