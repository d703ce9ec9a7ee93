//! Files of others, opened and read at once: whatever lies under the name, nothing is waited for, and nothing has no end.

use std::{
    fs::{File, FileType, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::io::Errno;

use super::refusal::Refusal;

/// More than the names of the largest topology take.
const MOST_MEBIBYTES: u64 = 16;

/// Opens a file whatever it is: opening a pipe would wait for its other end.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Reads a file, if it is there. Anything else under its name is refused, and told.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Refusal> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refusal(path, error)),
    };
    let metadata = file.metadata()?;
    if is_null_device(&metadata) {
        return Ok(Some(Vec::new()));
    }
    if !metadata.is_file() {
        let errno = if metadata.is_dir() { Errno::ISDIR } else { Errno::INVAL };
        let text = format!("'{}' is {}, not a file", path.display(), what(metadata.file_type()));
        return Err(Refusal::new(errno).with_message(text));
    }
    let most_bytes = MOST_MEBIBYTES << 20;
    let mut bytes = Vec::new();
    let read = file.take(most_bytes + 1).read_to_end(&mut bytes).map_err(|error| refusal(path, error))?;
    if read as u64 > most_bytes {
        let text = format!("'{}' is larger than {MOST_MEBIBYTES} MiB", path.display());
        return Err(Refusal::new(Errno::FBIG).with_message(text));
    }
    Ok(Some(bytes))
}

/// Returns why what is under `path` cannot be had, with the path; of something on the way to it, that.
pub(super) fn refusal(path: &Path, error: io::Error) -> Refusal {
    let refusal = Refusal::from(error);
    let in_the_way = path.ancestors().skip(1).find_map(|folder| Some((folder, folder.metadata().ok()?)));
    match in_the_way {
        Some((folder, metadata)) if refusal.errno() == Errno::NOTDIR => {
            let text = format!("'{}' is {}, not a folder", folder.display(), what(metadata.file_type()));
            refusal.with_message(text)
        }
        _ => refusal.about(path),
    }
}

/// `/dev/null` under the name of a file stands for an empty one (`null(4)`, `sysctl.d(5)`).
fn is_null_device(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == rustix::fs::makedev(1, 3)
}

fn what(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_file() => "a file",
        _ => "a device",
    }
}
