//! Kernel settings of one namespace.

use std::fs;
use std::io;

use crate::error::{Doing, Result};
use crate::netns::Netns;

/// Writes settings, named as under `/proc/sys/net`, in a namespace.
pub(crate) fn set(netns: &Netns, settings: &[(&str, &str)]) -> Result<()> {
    netns.run(|| {
        for (name, value) in settings {
            let path = format!("/proc/sys/net/{name}");
            // Writing what is there already would be harmless, but some settings restart machinery when written.
            let is_so = fs::read_to_string(&path).is_ok_and(|text| text.trim() == *value);
            if !is_so {
                fs::write(&path, value).doing(|| format!("set {name} in {}", netns.name()))?;
            }
        }
        Ok(())
    })?
}

/// Whether the namespace has this setting.
pub(crate) fn exists(netns: &Netns, name: &str) -> Result<bool> {
    let path = format!("/proc/sys/net/{name}");
    match netns.run(|| fs::metadata(&path))? {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).doing(|| format!("look for {name} in {}", netns.name())),
    }
}
