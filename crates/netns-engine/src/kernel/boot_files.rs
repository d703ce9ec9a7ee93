//! Files that bring a topology back after a reboot (`systemd.unit(5)`, `sysctl.d(5)`).

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{refusal::Refusal, state};
use crate::boot::{BootFile, BootFileState, BootPart};

/// Reads a file, if it is there.
pub(super) fn read(file: &BootFile) -> Result<Option<BootFileState>, Refusal> {
    let path = PathBuf::from(file.path());
    let read = match file.part {
        BootPart::Wanted => fs::read_link(&path).map(|target| target.display().to_string()),
        BootPart::Topology | BootPart::Forwarding | BootPart::Unit => fs::read_to_string(&path),
    };
    let ours = |text: &String| match file.part {
        BootPart::Wanted => *text == file.unit().path(),
        _ => text.starts_with(&file.mark()),
    };
    match read {
        Ok(text) if ours(&text) => Ok(Some(BootFileState::Ours(text))),
        Ok(_) => Ok(Some(BootFileState::Foreign)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // No symbolic link, or no text.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            Ok(Some(BootFileState::Foreign))
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes a file as a whole, in place of an earlier one of ours.
pub(super) fn write(file: &BootFile, text: &str) -> Result<(), Refusal> {
    if read(file)? == Some(BootFileState::Foreign) {
        return Err(
            Refusal::new(Errno::EXIST).with_message(format!("'{file}' was not written by netns-tool"))
        );
    }
    let path = PathBuf::from(file.path());
    if file.part == BootPart::Wanted {
        return link(&path, text);
    }
    state::replace(&path, |file| file.write_all(text.as_bytes()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).map_err(Refusal::from)
}

fn link(path: &Path, target: &str) -> Result<(), Refusal> {
    state::make_directory(path.parent().ok_or(Errno::INVAL)?)?;
    let new = path.with_extension("new");
    // Left by a process that was killed right here.
    fs::remove_file(&new).ok();
    symlink(target, &new)?;
    fs::rename(&new, path).map_err(Refusal::from)
}

/// Removes a file of ours, and a folder that is of no use without it.
pub(super) fn remove(file: &BootFile) -> Result<(), Refusal> {
    match read(file)? {
        Some(BootFileState::Ours(_)) => {}
        Some(BootFileState::Foreign) => return Err(Errno::EXIST.into()),
        None => return Err(Errno::NOENT.into()),
    }
    let path = PathBuf::from(file.path());
    fs::remove_file(&path)?;
    if let (BootPart::Topology | BootPart::Wanted, Some(folder)) = (file.part, path.parent()) {
        // It stays while it is in use.
        fs::remove_dir(folder).ok();
    }
    Ok(())
}
