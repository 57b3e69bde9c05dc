//! A TCP stream for hyper that first replays bytes that were read from it before, and records activity.
//!
//! Bytes are read ahead to detect the HTTP version, and when an idle connection is taken back from hyper.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::http::keep_alive::ConnectionActivity;

/// A stream with the bytes that were read ahead.
#[derive(Debug)]
pub(crate) struct RewindIo {
    stream: TokioIo<TcpStream>,
    read_ahead: Bytes,
    activity: Arc<ConnectionActivity>,
}

impl RewindIo {
    pub(crate) fn new(
        stream: TcpStream,
        read_ahead: Bytes,
        activity: &Arc<ConnectionActivity>,
    ) -> Self {
        Self { stream: TokioIo::new(stream), read_ahead, activity: Arc::clone(activity) }
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }

    fn write(
        &mut self,
        write: impl FnOnce(Pin<&mut TokioIo<TcpStream>>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = write(Pin::new(&mut self.stream));
        self.activity.record_write(written.is_pending());
        written
    }
}

impl Read for RewindIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_ahead.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        } else {
            let len = self.read_ahead.len().min(buf.remaining());
            buf.put_slice(&self.read_ahead.split_to(len));
        }
        self.activity.record_read();
        Poll::Ready(Ok(()))
    }
}

impl Write for RewindIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
