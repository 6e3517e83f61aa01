//! A pseudo-terminal: the machine's end of it as a stream, the program's end as a file.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::Pid;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcgetpgrp, tcsetwinsize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Nobody has a larger screen; programs reserve memory for each cell.
const COLUMNS_MAX: u32 = 500;
const ROWS_MAX: u32 = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub columns: u16,
    pub rows: u16,
}

impl Size {
    /// A size a client may ask for; nothing becomes the smallest there is.
    pub fn new(columns: u32, rows: u32) -> Size {
        let fit = |value: u32, most: u32, none: u16| match value {
            0 => none,
            value => value.min(most) as u16,
        };
        Size { columns: fit(columns, COLUMNS_MAX, 80), rows: fit(rows, ROWS_MAX, 24) }
    }
}

/// The machine's end: keys, size, signals.
pub(super) struct Terminal {
    end: OwnedFd,
    keys: tokio::fs::File,
}

/// What the terminal shows.
pub(super) struct Screen {
    shown: tokio::fs::File,
}

impl Terminal {
    /// A terminal of this size, what it shows, and the end a program gets.
    pub fn open(size: Size) -> io::Result<(Terminal, Screen, File)> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let theirs = ioctl_tiocgptpeer(&ours, flags)?;
        let another = || ours.try_clone().map(|end| tokio::fs::File::from_std(File::from(end)));
        let (keys, shown) = (another()?, another()?);
        let terminal = Terminal { end: ours, keys };
        terminal.resize(size);
        Ok((terminal, Screen { shown }, File::from(theirs)))
    }

    pub fn resize(&self, size: Size) {
        let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        let _ = tcsetwinsize(&self.end, size);
    }

    /// The processes that read the keyboard now.
    pub fn foreground(&self) -> Option<Pid> {
        tcgetpgrp(&self.end).ok()
    }

    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.keys.write_all(bytes).await?;
        self.keys.flush().await
    }
}

impl Screen {
    /// Some output; nothing once no program has the other end open. What was read when this is
    /// dropped half-way comes with the next call.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.shown.read(buffer).await {
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => Ok(0),
            read => read,
        }
    }
}
