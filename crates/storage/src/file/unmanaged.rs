//! Files that become volumes, and volumes that are managed no longer.
//!
//! A file in `unmanaged` becomes the base of a volume, below an empty layer: it is not written to. It is linked into the
//! volume that is being made and loses its own name once that is there, so that it has a name at every instant. What was a
//! volume is a directory, which is renamed as a whole.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use types::VolumeId;

use super::chain::{Chain, HEAD, Moment, is_layer, link, names};
use super::raw::RAW;
use super::volumes::{BASE, DISK, FileVolumes, SECTOR_BYTES, check_size, read_head};
use super::{create_file, hold_new_dir, remove_tree, sync_dir};
use crate::adoption::is_plain;
use crate::error::Doing;
use crate::inspect::{Content, detect, inspect};
use crate::qcow2::{self, Backing};
use crate::{
    Adoption, DiskFormat, Error, GIB, Result, Snapshot, Unmanaged, UnmanagedSnapshot, name_of_snapshot,
    name_of_volume, snapshot_of_name, volume_of_name,
};

/// A file or a directory that can become a volume.
struct Found {
    size_bytes: u64,
    what: What,
}

enum What {
    /// A disk in this format.
    File(DiskFormat),
    /// What was a volume.
    Volume,
}

impl FileVolumes {
    fn unmanaged_path(&self, name: &str) -> PathBuf {
        self.unmanaged.path.join(name)
    }

    /// Looks at what has a name; the inner error says why it can become no volume.
    fn look(&self, name: &str) -> Result<std::result::Result<Found, String>> {
        if !is_plain(name) {
            return Err(Error::NoUnmanaged(name.to_owned()));
        }
        let path = self.unmanaged_path(name);
        let metadata = match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoUnmanaged(name.to_owned()));
            }
            found => found.doing(|| format!("look at {}", path.display()))?,
        };
        if metadata.is_dir() {
            return look_at_volume(&path, name);
        }
        if let Some(why) = is_odd(&metadata) {
            return Ok(Err(why.to_owned()));
        }
        look_at_file(&path)
    }

    fn manageable(&self, name: &str) -> Result<Found> {
        self.look(name)?.map_err(|why| Error::NotManageable { name: name.to_owned(), why })
    }

    /// Makes the directory of a volume whose base is a file.
    fn build_over(&self, dir: &Path, (file, format): (&Path, DiskFormat), size_bytes: u64) -> Result<()> {
        let base = dir.join(BASE);
        fs::hard_link(file, &base).doing(|| format!("link {} into a volume", file.display()))?;
        // Whatever was exchanged meanwhile: what is linked is judged, and a link to elsewhere is not followed.
        let linked = fs::symlink_metadata(&base).doing(|| format!("look at {}", base.display()))?;
        // Two names are its own and the one just made.
        let is_it = linked.is_file() && linked.nlink() == 2;
        let again = if is_it { look_at_file(&base)? } else { Err("it is no file of its own".to_owned()) };
        let is_same = again.is_ok_and(|found| matches!(found.what, What::File(now) if now == format));
        if !is_same {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(Error::NotManageable { name, why: "it changes".to_owned() });
        }
        File::open(&base).and_then(|base| base.sync_all()).doing(|| format!("sync {}", base.display()))?;
        let disk = create_file(&dir.join(DISK))?;
        let backing = Backing { name: BASE, format: format.as_str() };
        qcow2::write_empty(&disk, size_bytes, Some(backing))
            .and_then(|()| disk.sync_all())
            .doing(|| format!("write the volume in {}", dir.display()))?;
        sync_dir(dir)
    }

    /// A file that became the base of a volume has that name alone.
    fn drop_name(&self, volume: VolumeId, name: &str) -> Result<()> {
        if !is_plain(name) {
            return Ok(());
        }
        let (path, base) = (self.unmanaged_path(name), self.path(volume).join(BASE));
        let (Ok(named), Ok(base)) = (fs::symlink_metadata(&path), fs::symlink_metadata(&base)) else {
            return Ok(());
        };
        if (named.dev(), named.ino()) == (base.dev(), base.ino()) {
            fs::remove_file(&path).doing(|| format!("take the name {} away", path.display()))?;
            self.unmanaged.sync()?;
        }
        Ok(())
    }

    fn manage_file(&self, volume: VolumeId, name: &str, format: DiskFormat, size_bytes: u64) -> Result<()> {
        self.place.check_room()?;
        let scratch = self.managing(volume);
        let _held = hold_new_dir(&scratch)?;
        let built = self.build_over(&scratch, (&self.unmanaged_path(name), format), size_bytes);
        let made = built.and_then(|()| {
            fs::rename(&scratch, self.path(volume)).doing(|| format!("rename volume {volume} into place"))
        });
        if let Err(error) = made {
            remove_tree(&scratch)?;
            return Err(error);
        }
        self.place.sync()?;
        self.drop_name(volume, name)
    }

    fn manage_volume(&self, volume: VolumeId, name: &str) -> Result<()> {
        let from = self.unmanaged_path(name);
        // No snapshot that it has is one that anybody here knows.
        for moment in names(&from)?.iter().filter_map(|name| Moment::of_link(name)) {
            if !moment.unmanaged {
                let to = link(&from, Moment::unmanaged(moment.id));
                fs::rename(link(&from, moment), &to).doing(|| format!("rename {}", to.display()))?;
            }
        }
        sync_dir(&from)?;
        fs::rename(&from, self.path(volume)).doing(|| format!("rename {} into place", from.display()))?;
        self.place.sync()?;
        self.unmanaged.sync()
    }

    /// Where a volume is made of a file, by one maker at a time.
    fn managing(&self, volume: VolumeId) -> PathBuf {
        self.place.path.join(format!(".{volume}-managing"))
    }

    /// Nothing that is unmanaged may go with a volume.
    pub(super) fn check_keeps_nothing(&self, volume: VolumeId) -> Result<()> {
        let dir = self.path(volume);
        if !dir.exists() {
            return Ok(());
        }
        let keeps = |name: &String| Moment::of_link(name).is_some_and(|moment| moment.unmanaged);
        if names(&dir)?.iter().any(keeps) { Err(Error::Keeps(volume)) } else { Ok(()) }
    }
}

impl Adoption for FileVolumes {
    fn observe_unmanaged(&self) -> Result<Vec<Unmanaged>> {
        let mut names = names(&self.unmanaged.path)?;
        names.retain(|name| is_plain(name));
        names.sort();
        let looked = names.into_iter().filter_map(|name| match self.look(&name) {
            // It went meanwhile.
            Err(Error::NoUnmanaged(_)) => None,
            Err(error) => {
                Some(Unmanaged { name, size_bytes: 0, refused: Some(format!("it cannot be read: {error}")) })
            }
            Ok(Err(why)) => Some(Unmanaged { name, size_bytes: 0, refused: Some(why) }),
            Ok(Ok(found)) => Some(Unmanaged { name, size_bytes: found.size_bytes, refused: None }),
        });
        Ok(looked.collect())
    }

    fn find_unmanaged(&self, name: &str) -> Result<Unmanaged> {
        let looked = self.look(name)?;
        let (size_bytes, refused) = match looked {
            Ok(found) => (found.size_bytes, None),
            Err(why) => (0, Some(why)),
        };
        Ok(Unmanaged { name: name.to_owned(), size_bytes, refused })
    }

    fn ensure_managed(&self, volume: VolumeId, name: &str, size_bytes: u64) -> Result<()> {
        check_size(size_bytes)?;
        if self.path(volume).exists() {
            return self.drop_name(volume, name);
        }
        // What an interrupted attempt left has the file linked, which must have no name but its own.
        remove_tree(&self.managing(volume))?;
        let found = self.manageable(name)?;
        if found.size_bytes > size_bytes {
            return Err(Error::TooSmall { needed: found.size_bytes, asked: size_bytes });
        }
        match found.what {
            What::File(format) => self.manage_file(volume, name, format, size_bytes),
            What::Volume => self.manage_volume(volume, name),
        }
    }

    fn ensure_unmanaged(&self, volume: VolumeId, name: Option<&str>) -> Result<()> {
        self.merges.stop(volume);
        remove_tree(&self.managing(volume))?;
        let from = self.path(volume);
        if !from.exists() {
            return Ok(());
        }
        name.map_or(Ok(()), |name| self.drop_name(volume, name))?;
        let to = self.unmanaged_path(&name_of_volume(volume));
        fs::rename(&from, &to).doing(|| format!("rename volume {volume} to {}", to.display()))?;
        self.unmanaged.sync()?;
        self.place.sync()
    }

    fn observe_unmanaged_snapshots(&self, volume: VolumeId) -> Result<Vec<UnmanagedSnapshot>> {
        if self.is_raw(volume) {
            return Ok(Vec::new());
        }
        let chain = self.chain(volume)?;
        let unmanaged = chain.moments().into_iter().filter(|moment| moment.unmanaged);
        let shown = unmanaged.filter_map(|moment| {
            let layer = chain.layers.get(chain.position(moment)?)?;
            let name = name_of_snapshot(moment.id);
            Some(UnmanagedSnapshot { name, size_bytes: layer.header.size_bytes })
        });
        Ok(shown.collect())
    }

    fn ensure_snapshot_managed(&self, at: Snapshot, name: &str) -> Result<()> {
        let chain = self.chain(at.volume)?;
        if chain.position(Moment::managed(at.id)).is_some() {
            return Ok(());
        }
        let found = snapshot_of_name(name).map(Moment::unmanaged);
        let found = found.filter(|moment| chain.position(*moment).is_some());
        let found = found.ok_or_else(|| Error::NoUnmanaged(name.to_owned()))?;
        rename_link(&chain, found, Moment::managed(at.id))
    }

    fn ensure_snapshot_unmanaged(&self, at: Snapshot) -> Result<()> {
        let Some(chain) = self.chain_if_any(at.volume)? else { return Ok(()) };
        match chain.position(Moment::managed(at.id)) {
            Some(_) => rename_link(&chain, Moment::managed(at.id), Moment::unmanaged(at.id)),
            None => Ok(()),
        }
    }
}

fn rename_link(chain: &Chain, from: Moment, to: Moment) -> Result<()> {
    let to = link(&chain.dir, to);
    fs::rename(link(&chain.dir, from), &to).doing(|| format!("rename {} into place", to.display()))?;
    sync_dir(&chain.dir)
}

/// What is no file that is its directory's alone.
fn is_odd(metadata: &Metadata) -> Option<&'static str> {
    if metadata.is_symlink() {
        return Some("it is a link to somewhere else");
    }
    if !metadata.is_file() {
        return Some("it is no file");
    }
    (metadata.nlink() != 1).then_some("it has another name elsewhere (a hard link)")
}

fn look_at_file(path: &Path) -> Result<std::result::Result<Found, String>> {
    if is_locked(path)? {
        return Ok(Err("it is in use".to_owned()));
    }
    let (head, length) = read_head(path)?;
    let format = match detect(&head) {
        Content::Qcow2 => DiskFormat::Qcow2,
        // An ISO is as good as a disk without partitions.
        Content::Plain | Content::Partitioned | Content::Iso => DiskFormat::Raw,
        Content::Luks => return Ok(Err("it is encrypted, with a key that nobody here has".to_owned())),
        other => return Ok(Err(format!("it is {other}; convert it to raw or qcow2"))),
    };
    let size_bytes = match inspect(format, &head, Some(length)) {
        Ok(inspection) => inspection.virtual_size_bytes,
        Err(refusal) => return Ok(Err(refusal.to_string())),
    };
    Ok(sized(size_bytes, What::File(format)))
}

/// Looks at what was a volume. Nothing in it may lead anywhere else.
fn look_at_volume(dir: &Path, name: &str) -> Result<std::result::Result<Found, String>> {
    let Some(volume) = volume_of_name(name) else {
        return Ok(Err("it is a directory, and none that was a volume".to_owned()));
    };
    for name in names(dir)? {
        if name == RAW {
            return Ok(Err("it is a volume for several servers".to_owned()));
        }
        let path = dir.join(&name);
        let metadata = fs::symlink_metadata(&path).doing(|| format!("look at {}", path.display()))?;
        if metadata.is_symlink() {
            let to = fs::read_link(&path).doing(|| format!("read {}", path.display()))?;
            // What begins with a dot is what an interrupted change left.
            let is_known = name == HEAD || name.starts_with('.') || Moment::of_link(&name).is_some();
            if !is_known || !to.to_str().is_some_and(is_layer) {
                return Ok(Err(format!("{name} in it is a link to somewhere else")));
            }
        } else if !metadata.is_file() {
            return Ok(Err(format!("{name} in it is no file")));
        }
    }
    let chain = match Chain::read(dir, volume) {
        Ok(Some(chain)) => chain,
        Ok(None) => return Ok(Err("it is a directory without a volume".to_owned())),
        Err(Error::Damaged { what, .. }) => return Ok(Err(what)),
        Err(error) => return Err(error),
    };
    if let Some(format) = chain.base.as_deref().and_then(|format| format.parse::<DiskFormat>().ok()) {
        let (head, length) = read_head(&dir.join(BASE))?;
        if let Err(refusal) = inspect(format, &head, Some(length)) {
            return Ok(Err(format!("of its base, {refusal}")));
        }
    }
    for layer in &chain.layers {
        if layer.header.names_data_file || layer.header.encryption != 0 {
            return Ok(Err(format!("{} in it keeps its data elsewhere, or is encrypted", layer.name)));
        }
    }
    if is_locked(&dir.join(&chain.head().name))? {
        return Ok(Err("it is in use".to_owned()));
    }
    Ok(sized(chain.head().header.size_bytes, What::Volume))
}

fn sized(size_bytes: u64, what: What) -> std::result::Result<Found, String> {
    let whole = size_bytes.div_ceil(GIB).saturating_mul(GIB);
    match check_size(whole) {
        Ok(()) if size_bytes >= SECTOR_BYTES => Ok(Found { size_bytes, what }),
        _ => Err(format!("no volume can have its {size_bytes} bytes")),
    }
}

/// Whether a program has a file open in the way of QEMU, which holds locks on single bytes of it.
fn is_locked(path: &Path) -> Result<bool> {
    let file = File::open(path).doing(|| format!("open {}", path.display()))?;
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut lock)) {
        Ok(_) => Ok(i32::from(lock.l_type) != libc::F_UNLCK),
        // Some file systems have no locks.
        Err(Errno::EINVAL | Errno::ENOLCK | Errno::ENOTSUP) => Ok(false),
        Err(errno) => Err(errno).doing(|| format!("look for locks on {}", path.display())),
    }
}
