//! Large uploads, whose bytes take other ways to the disk than those of small ones.

use std::io::Read;

use storage::file::FileImages;
use storage::{DiskFormat, ImageStore, Upload};
use types::ImageId;

use crate::{TempDir, file_config};

const MIB: usize = 1 << 20;
/// From here on they go past the page cache.
const LARGE: usize = 64 * MIB;

#[test]
fn a_large_image_is_whole_whatever_the_pieces_it_comes_in() {
    let dir = TempDir::new();
    let images = FileImages::open(&file_config(&dir)).unwrap();
    let all: Vec<u8> = (0..LARGE + 3 * MIB + 777).map(|n| (n * 31 % 251) as u8).collect();
    let cases = [
        (LARGE, 1 << 16),
        (LARGE + 1, LARGE - 7),
        (LARGE + MIB, MIB),
        (all.len(), 65_537),
        (all.len(), all.len()),
    ];
    for (length, step) in cases {
        let image = ImageId(runtime::new_uuid());
        let format = DiskFormat::Raw;
        let mut writer =
            images.writer(&Upload { image, format, size_bytes_max: 1 << 30, enforce: true }).unwrap();
        all[..length].chunks(step).for_each(|chunk| writer.write(chunk).unwrap());
        assert_eq!(writer.finish().unwrap().size_bytes, length as u64);
        let mut bytes = Vec::new();
        images.reader(image, 0..u64::MAX).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(bytes == all[..length], "{length} bytes in steps of {step}");
        images.remove_image(image).unwrap();
    }
}
