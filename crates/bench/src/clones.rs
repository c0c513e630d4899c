//! Clones of images: a boot disk costs the same whatever the image's size.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use storage::file::{FileConfig, FileImages, FileVolumes};
use storage::{DiskFormat, GIB, ImageStore, NewVolume, Source, Upload, VolumeBackend};
use types::{ImageId, VolumeId};

use crate::machine;
use crate::numbers::{median, ms, quantile};
use crate::report::{Goal, Report};

const PAIRS: usize = 25;
const SIZES_GIB: [u64; 2] = [1, 100];
/// What is really in each image.
const CONTENT_MIB: usize = 16;
const CLONE_MS_MAX: f64 = 50.0;
/// How far apart two medians of the same thing may lie.
const SAME_MAX: f64 = 1.25;

/// Measures how long a clone of a small and of a large image takes.
pub fn measure(report: &mut Report) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("cuttle-bench-").tempdir_in(machine::scratch())?;
    let config = FileConfig::new(dir.path());
    let (images, volumes) = (FileImages::open(&config)?, FileVolumes::open(&config)?);
    let mut ids = Vec::new();
    for size_gib in SIZES_GIB {
        ids.push(store_image(&images, dir.path(), size_gib)?);
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..PAIRS {
        for (image, times) in ids.iter().zip(&mut times) {
            let source = Source::Image { id: *image, format: DiskFormat::Qcow2 };
            let size_bytes = SIZES_GIB[1] * GIB;
            let volume =
                NewVolume { id: VolumeId(runtime::new_uuid()), size_bytes, source, multiattach: false };
            let began = runtime::monotonic();
            volumes.ensure_volume(&volume)?;
            times.push(ms(began.elapsed()));
            volumes.remove_volume(volume.id)?;
        }
    }
    for (size_gib, times) in SIZES_GIB.iter().zip(&times) {
        let how = format!("{PAIRS} clones; 95 % within {:.1} ms", quantile(times, 0.95));
        let what = format!("clone of an image of {size_gib} GiB");
        report.judge(&what, Goal::AtMost(CLONE_MS_MAX), median(times), "ms", &how);
    }
    let ratios: Vec<f64> = times[1].iter().zip(&times[0]).map(|(large, small)| large / small).collect();
    let how = format!("quartiles {:.2} and {:.2}", quantile(&ratios, 0.25), quantile(&ratios, 0.75));
    report.judge("clone of 100 GiB : clone of 1 GiB", Goal::AtMost(SAME_MAX), median(&ratios), "", &how);
    Ok(())
}

/// An image of this size with a little in it.
fn store_image(images: &FileImages, dir: &Path, size_gib: u64) -> Result<ImageId> {
    let (raw, qcow2) = (dir.join("raw"), dir.join("qcow2"));
    let mut file = File::create(&raw)?;
    let mut content = vec![0; 1 << 20];
    for _ in 0..CONTENT_MIB {
        runtime::fill_random(&mut content);
        file.write_all(&content)?;
    }
    file.set_len(size_gib * GIB)?;
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-f", "raw", "-O", "qcow2"]).args([&raw, &qcow2]);
    let status = convert.status().context("cannot run qemu-img: install qemu-utils")?;
    ensure!(status.success(), "qemu-img ended with {status}");
    let upload = Upload {
        image: ImageId(runtime::new_uuid()),
        format: DiskFormat::Qcow2,
        size_bytes_max: GIB,
        enforce: true,
    };
    let mut writer = images.writer(&upload)?;
    let mut file = File::open(&qcow2)?;
    loop {
        let len = file.read(&mut content)?;
        if len == 0 {
            break;
        }
        writer.write(&content[..len])?;
    }
    writer.finish()?;
    for path in [raw, qcow2] {
        std::fs::remove_file(path)?;
    }
    Ok(upload.image)
}
