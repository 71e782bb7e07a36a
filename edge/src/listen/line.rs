//! A socket and everything that is known about it, shared by those who write to it, watch it and end it.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use rustix::net::connect_unspec;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use super::progress::{Progress, Seen};
use super::room::Room;
use crate::file_io::send;
use crate::file_io::unsent::unsent;
use crate::transfers::Way;

/// How long the kernel offers bytes of a closed connection that are not acknowledged (TCP_USER_TIMEOUT, RFC 5482).
const UNTAKEN: Duration = Duration::from_secs(60);

/// Less than that a client takes at once: its window is as large.
const MUCH: u64 = 64 << 10;

/// How a connection is told to end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Order {
    /// It goes on.
    Stay = 0,
    /// Its requests may end, then it ends: a connection without one ends at once.
    Leave = 1,
    /// It ends now.
    Cut = 2,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    socket: OwnedWriteHalf,
    room: Room,
    /// What it has done.
    pub(super) progress: Arc<Progress>,
    order: AtomicU8,
    parting: AtomicBool,
    /// Transfers that go out here and may be cut.
    transfers: AtomicU32,
    /// Woken by an order.
    task: AtomicWaker,
}

impl Line {
    /// What is written to it is copied on its way, or is not.
    pub(super) fn new(socket: OwnedWriteHalf, is_copied: bool) -> Self {
        let (progress, task) = (Arc::new(Progress::default()), AtomicWaker::new());
        let (order, parting) = (AtomicU8::new(Order::Stay as u8), AtomicBool::new(false));
        let (room, transfers) = (Room::new(is_copied), AtomicU32::new(0));
        let line = Self { socket, room, progress, order, parting, transfers, task };
        line.set_room(Some(line.room.bytes()));
        line
    }

    fn socket(&self) -> &TcpStream {
        self.socket.as_ref()
    }

    /// Bytes that the other end has not acknowledged.
    pub(super) fn unsent(&self) -> u64 {
        unsent(self.socket())
    }

    /// Sees to it that it has room for what it takes; `span` has passed since it was last seen.
    pub(super) fn fit_room(&self, seen: &Seen, span: Duration) {
        self.set_room(self.room.fit(seen.sent, span, !seen.serving));
    }

    fn set_room(&self, changed: Option<u32>) {
        if let Some(bytes) = changed {
            // Where it cannot be set, the kernel's own bound holds.
            let _ = SockRef::from(self.socket()).set_tcp_notsent_lowat(bytes);
        }
    }

    /// Writes, or says that there is no room. The one place where bytes go out.
    pub(super) fn poll_send(
        &self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let socket = self.socket();
        loop {
            // Also spends the budget of the task, so that one fast reader does not keep a worker for itself.
            let Poll::Ready(ready) = socket.poll_write_ready(context) else {
                self.progress.note_blocked();
                return Poll::Pending;
            };
            ready?;
            match socket.try_io(Interest::WRITABLE, || send(socket, slices)) {
                Err(error) if is_passing(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(sent) => {
                    let taken = self.progress.note_sent(sent);
                    self.set_room(self.room.grow(taken));
                    return Poll::Ready(Ok(sent));
                }
            }
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn shut(&self) -> io::Result<()> {
        match SockRef::from(self.socket()).shutdown(std::net::Shutdown::Write) {
            // The other end was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            shut => shut,
        }
    }

    /// Waits until the other end has what was written, if that is much, or is gone, or is told to be. Closed before, a
    /// connection would be the kernel's: nobody would count it and what it holds, or see that a slow client takes it.
    pub(super) async fn part(&self) {
        std::future::poll_fn(|context| {
            let waits = self.poll_order(context) == Order::Stay && self.holds_much();
            self.parting.store(waits, Ordering::Release);
            if waits { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        // What the kernel still has it would offer for many minutes. Not told to it before: it counts from when a window
        // was first shut, and one that opens a little again and again, as that of a slow client does, does not end this
        // time (`icsk_probes_tstamp`, Linux 6.18).
        let _ = SockRef::from(self.socket()).set_tcp_user_timeout(Some(UNTAKEN));
    }

    /// Whether it is closed for all but what its client has not taken yet.
    pub(super) fn is_parting(&self) -> bool {
        self.parting.load(Ordering::Acquire)
    }

    /// Whether it holds more for its client than is worth waiting for. One that was reset holds nothing for anybody.
    pub(super) fn holds_much(&self) -> bool {
        // Who is waited for is waited for to the end: the time that `part` sets may have run out for it already.
        let much = if self.is_parting() { 0 } else { MUCH };
        self.unsent() > much && matches!(self.socket().take_error(), Ok(None))
    }

    /// Tells it to end; gives whether that is news. Anybody may who holds the line, weakly, so that holding it keeps
    /// no descriptor open: the sweep does so for who is slow, and whoever ends the transfers of a revoked key can.
    pub(super) fn order(&self, order: Order) -> bool {
        if order == Order::Cut {
            // A connection that is merely closed goes on sending what its socket holds, for seconds or, to somebody
            // who reads slowly, for minutes. One that is reset stops, and its memory is free. Dissolved (connect(2)), a
            // socket sends the reset at once, whatever its task does just then; closed, it would say in order that
            // nothing more comes, and reset itself after that. An error means that the connection is gone already.
            let _ = SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
            let _ = connect_unspec(self.socket());
        }
        let before = self.order.fetch_max(order as u8, Ordering::Release);
        self.task.wake();
        before < order as u8
    }

    /// What it was told, by a task that is woken when it is told more.
    pub(super) fn poll_order(&self, context: &Context<'_>) -> Order {
        self.task.register(context.waker());
        match self.order.load(Ordering::Acquire) {
            0 => Order::Stay,
            1 => Order::Leave,
            _ => Order::Cut,
        }
    }
}

impl Way for Line {
    fn board(&self) {
        self.transfers.fetch_add(1, Ordering::AcqRel);
    }

    fn alight(&self) {
        self.transfers.fetch_sub(1, Ordering::AcqRel);
    }

    /// A stream of HTTP/2 that waits for its window would not be asked whether it is cut before that opens: only where
    /// others go on is it left at that.
    fn cut(&self) {
        let others = self.transfers.fetch_sub(1, Ordering::AcqRel) > 1;
        if !(others && self.progress.see().http2) {
            self.order(Order::Cut);
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
