//! What is counted.

use crate::image::{Image, Status};

const MIB: u64 = 1 << 20;

/// Bytes of a project's images that can be used, in every store.
pub(crate) const SIZE_TOTAL: &str = "image_size_total";
/// Bytes that are staged.
pub(crate) const STAGE_TOTAL: &str = "image_stage_total";
/// Images.
pub(crate) const COUNT_TOTAL: &str = "image_count_total";
/// Images whose bytes are arriving.
pub(crate) const COUNT_UPLOADING: &str = "image_count_uploading";

/// What a project has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    size_bytes: u64,
    staged_bytes: u64,
    count: u64,
    uploading: u64,
}

impl Usage {
    /// Counts one more image.
    pub(crate) fn with(mut self, image: &Image) -> Usage {
        let size = image.stored.as_ref().map_or(0, |stored| stored.size_bytes);
        let copies = u64::try_from(image.places().len()).unwrap_or(u64::MAX);
        self.count += 1;
        match image.status {
            Status::Queued if image.is_written_by_node() => self.uploading += 1,
            Status::Queued | Status::Deleted => {}
            Status::Saving => self.uploading += 1,
            Status::Uploading => {
                self.uploading += 1;
                self.staged_bytes = self.staged_bytes.saturating_add(size);
            }
            Status::Importing => {
                self.uploading += 1;
                self.staged_bytes = self.staged_bytes.saturating_add(size);
            }
            Status::Active | Status::Deactivated => {
                self.size_bytes = self.size_bytes.saturating_add(size.saturating_mul(copies));
            }
        }
        self
    }

    /// The figure of one quota: bytes are counted in MiB.
    pub(crate) fn of(&self, quota: &str) -> Option<i64> {
        let figure = match quota {
            SIZE_TOTAL => self.size_bytes / MIB,
            STAGE_TOTAL => self.staged_bytes / MIB,
            COUNT_TOTAL => self.count,
            COUNT_UPLOADING => self.uploading,
            _ => return None,
        };
        Some(i64::try_from(figure).unwrap_or(i64::MAX))
    }
}

/// What an upload of so many bytes adds, in the unit of the quotas.
pub(crate) fn mib(bytes: Option<u64>) -> i64 {
    i64::try_from(bytes.unwrap_or(0) / MIB).unwrap_or(i64::MAX)
}
