//! Windows of files, brought to hand one after the other: at once when the bytes are in memory, by the blocking pool
//! when they are not, so that a cold file stalls nobody else on this worker; and then the next one is fetched ahead.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;

use super::body::Carriage;
use super::chunk::Chunk;
use crate::file_io::{Buffer, Mapping, is_resident, make_resident, read_now};
use crate::origin::{Fetching, ImmutableFile};

/// What is asked about and fetched at once: large enough that asking costs nothing, small enough that a client who
/// leaves has not cost the disk much.
const WINDOW: u64 = 4 << 20;
/// The same for what is copied, which has the page cache as its only store.
const COPIED: u64 = 1 << 20;

/// Bytes of a file from `position` up to `end`.
pub(super) struct Window {
    pub(super) file: Arc<ImmutableFile>,
    pub(super) position: u64,
    pub(super) end: u64,
}

/// What the blocking pool does. Dropped with the body: a read that has not begun does not begin.
type Work<T> = AbortOnDropHandle<io::Result<T>>;

/// The first bytes of a window, and what is left of it.
type Opened = (Chunk, Option<Window>);

enum Opening {
    /// Nothing was looked at yet.
    Asked(Window),
    /// Its beginning is read into memory.
    Copying(Window, Work<Buffer>),
    /// Its beginning, up to a place, is read into the page cache.
    Fetching(Window, Arc<Mapping>, Work<()>, u64),
}

/// One window after the other.
#[derive(Default)]
pub(super) struct Windows {
    carriage: Carriage,
    opening: Option<Opening>,
    /// What is fetched meanwhile, and up to where.
    ahead: Option<(Work<()>, u64)>,
}

impl Windows {
    pub(super) fn carry(&mut self, carriage: Carriage) {
        self.carriage = carriage;
    }

    pub(super) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    pub(super) fn open(&mut self, window: Window) {
        self.opening = Some(Opening::Asked(window));
    }

    pub(super) fn poll_opened(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Opened>> {
        loop {
            match self.opening.take() {
                None => return Poll::Ready(Err(io::Error::other("nothing was asked for"))),
                Some(Opening::Asked(window)) => match self.begin(window) {
                    Ok(opened) => return Poll::Ready(Ok(opened)),
                    Err(opening) => self.opening = Some(opening),
                },
                Some(Opening::Copying(window, mut work)) => {
                    let Poll::Ready(read) = poll(&mut work, context) else {
                        self.opening = Some(Opening::Copying(window, work));
                        return Poll::Pending;
                    };
                    return Poll::Ready(read.map(|buffer| copied(window, buffer)));
                }
                Some(Opening::Fetching(window, mapping, mut work, to)) => {
                    let Poll::Ready(fetched) = poll(&mut work, context) else {
                        self.opening = Some(Opening::Fetching(window, mapping, work, to));
                        return Poll::Pending;
                    };
                    return Poll::Ready(fetched.map(|()| self.mapped(window, mapping, to)));
                }
            }
        }
    }

    /// The window at once, or what must be done first.
    fn begin(&mut self, window: Window) -> Result<Opened, Opening> {
        let Window { file, position, end } = &window;
        if let Some(bytes) = file.held(*position, *end) {
            return Ok((Chunk::read(bytes, *position), None));
        }
        if let (Carriage::Mapped, Some(mapping)) = (self.carriage, file.mapping()) {
            let mapping = mapping.clone();
            return self.begin_mapped(window, mapping);
        }
        let buffer = Buffer::take(end.saturating_sub(*position));
        let read = match file.file() {
            Some(open) => read_now(buffer, open, *position),
            None => Err(buffer),
        };
        match read {
            Ok(buffer) => Ok(copied(window, buffer)),
            Err(buffer) => {
                let work = copy(&window, buffer);
                Err(Opening::Copying(window, work))
            }
        }
    }

    fn begin_mapped(&mut self, window: Window, mapping: Arc<Mapping>) -> Result<Opened, Opening> {
        let to = window.end.min(window.position.saturating_add(WINDOW));
        match self.ahead.take() {
            Some((work, fetched)) if fetched > window.position => {
                return Err(Opening::Fetching(window, mapping, work, to.min(fetched)));
            }
            _ => {}
        }
        // A page that somebody is fetching is in the page cache before its bytes are: who sends it waits for the disk.
        let is_there = is_resident(mapping.file(), window.position, to);
        if is_there && !window.file.is_fetched() {
            return Ok(self.mapped(window, mapping, to));
        }
        // Waiting for somebody else's fetch is none: else a file that all want would be fetched for ever.
        let fetching = (!is_there).then(|| window.file.note_fetching());
        let work = fetch(&window.file, window.position, to, fetching);
        Err(Opening::Fetching(window, mapping, work, to))
    }

    /// Hands out a window that is in memory, and fetches the next if that is not.
    fn mapped(&mut self, window: Window, mapping: Arc<Mapping>, to: u64) -> Opened {
        let Window { file, position, end } = window;
        let next = end.min(to.saturating_add(WINDOW));
        if next > to && !is_resident(mapping.file(), to, next) {
            self.ahead = Some((fetch(&file, to, next, Some(file.note_fetching())), next));
        }
        let rest = (to < end).then_some(Window { file, position: to, end });
        (Chunk::mapped(mapping, position, to), rest)
    }
}

fn copied(window: Window, buffer: Buffer) -> Opened {
    let Window { file, position, end } = window;
    let to = position + buffer.as_ref().len() as u64;
    let rest = (to < end).then_some(Window { file, position: to, end });
    (Chunk::read(Bytes::from_owner(buffer), position), rest)
}

/// Reads the beginning of a window, and some of what follows into the page cache.
fn copy(window: &Window, buffer: Buffer) -> Work<Buffer> {
    let (file, position) = (window.file.clone(), window.position);
    let to = window.end.min(position.saturating_add(COPIED));
    work(move || {
        let open = file.file().ok_or(io::ErrorKind::UnexpectedEof)?;
        let read = make_resident(open, position, to).and_then(|()| buffer.fill(open, position));
        read.map_err(|error| file.named(&error))
    })
}

fn fetch(file: &Arc<ImmutableFile>, from: u64, to: u64, fetching: Option<Fetching>) -> Work<()> {
    let file = file.clone();
    work(move || {
        let _until_the_end = fetching;
        let open = file.file().ok_or(io::ErrorKind::UnexpectedEof)?;
        make_resident(open, from, to).map_err(|error| file.named(&error))
    })
}

fn work<T: Send + 'static>(task: impl FnOnce() -> io::Result<T> + Send + 'static) -> Work<T> {
    AbortOnDropHandle::new(tokio::task::spawn_blocking(task))
}

/// Outer errors: the runtime ended, or the task panicked.
fn poll<T>(work: &mut Work<T>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
    let ended = ready!(Pin::new(work).poll(context));
    Poll::Ready(ended.map_err(io::Error::other).flatten())
}
